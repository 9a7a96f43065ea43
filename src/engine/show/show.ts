/**
 * `yolo show`: the two views that explain most training failures. what=batch: the batches that the loader feeds, with their
 * boxes. what=assign: which anchor points the assigner picks for each label.
 */
import { join } from 'node:path';
import { wasGiven } from '../../cfg/load.js';
import type { ConfigOf } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import { type Dataset, openDataset, summarize } from '../../data/dataset.js';
import { createTrainLoader } from '../../data/loader.js';
import { encodeImage } from '../../image/codec.js';
import { writeFileAtomic } from '../../io/files.js';
import { inputSide } from '../image-size.js';
import { sideFor, trainedOf } from '../model-defaults.js';
import { datasetOptions, trainLoaderOptions } from '../options.js';
import { batchSheet } from '../report/sheets.js';
import { createRunDir } from '../run-dir.js';
import { type ShownAssignment, showAssignments } from './assign.js';

/** The keys of `yolo show`. */
export type ShowConfig = ConfigOf<'show'>;

/** A batch that was drawn. */
export interface ShownBatch {
  file: string;
  epoch: number;
  batch: number;
  mosaic: boolean;
  shape: [B: number, H: number, W: number];
  instances: number;
  paths: string[];
}

/** One drawn image file. */
export type Shown = ShownBatch | ShownAssignment;

/** Batches that are drawn of the first epoch, and of the epoch where mosaic is closed. */
const BATCHES = 3;
/** Images that what=assign draws where batch= is not given. */
const IMAGES = 4;
const STRIDE = 32;

/**
 * Draws into a new run folder, a result an image file.
 * @throws UserError when data, model or source can't be used
 */
export async function* show(config: ShowConfig): AsyncGenerator<Shown, { save_dir: string }> {
  if (!config.data)
    throw new UserError(
      'missing-data',
      'show needs a dataset: data= is missing',
      'for example: yolo show data=coco8.yaml',
    );
  const assigns = config.what === 'assign';
  if (assigns && !config.model) {
    const hint = 'for example: yolo show what=assign model=yolov8n.pt data=coco8.yaml';
    throw new UserError('missing-model', 'show what=assign needs weights: model= is missing', hint);
  }
  // Batches are what training gets; assignments are looked at where one looks for faults, unless split= says otherwise.
  const split = !assigns && !wasGiven(config, 'split') ? 'train' : config.split;
  const { data, fraction } = config;
  const dataset = await openDataset(data, split, { ...datasetOptions(config), fraction });
  log.info(summarize(dataset));
  if (!assigns) return yield* showBatches(config, dataset);
  const dir = createRunDir(config, 'show');
  yield* showAssignments(dataset, {
    dir,
    model: config.model as string,
    device: config.device,
    imgsz: inputSide(sideFor(config, { trained: await trainedOf(config.model as string) }), STRIDE),
    count: wasGiven(config, 'batch') ? config.batch : IMAGES,
    source: config.source,
    workers: config.workers,
  });
  return { save_dir: dir };
}

async function* showBatches(config: ShowConfig, dataset: Dataset): AsyncGenerator<ShownBatch, { save_dir: string }> {
  const size = { batch: Math.max(1, config.batch), imgsz: inputSide(config.imgsz, STRIDE) };
  const loader = createTrainLoader(trainLoaderOptions(config, dataset.images, size));
  try {
    const dir = createRunDir(config, 'show');
    for (const { epoch, mosaic } of epochsToShow(config)) {
      let n = 0;
      for await (const batch of loader.epoch(epoch, { mosaic })) {
        const file = join(dir, `${mosaic ? 'batch' : 'batch_no_mosaic'}${n}.jpg`);
        writeFileAtomic(file, await encodeImage(await batchSheet(batch, dataset.names), 'jpg', 90));
        const instances = batch.labels.reduce((sum, labels) => sum + labels.length / 5, 0);
        yield { file, epoch: epoch + 1, batch: n, mosaic, shape: batch.shape, instances, paths: batch.paths };
        if (++n === BATCHES) break;
      }
    }
    return { save_dir: dir };
  } finally {
    await loader.close();
  }
}

/** The first epoch of a run, and the one that closes mosaic where there is one and something to close. */
function epochsToShow(config: ShowConfig): { epoch: number; mosaic: boolean }[] {
  const { epochs, close_mosaic, mosaic, mixup, cutmix, rect } = config;
  const strong = !rect && (mosaic > 0 || mixup > 0 || cutmix > 0);
  if (!strong) return [{ epoch: 0, mosaic: false }];
  const closing = Math.max(0, epochs - close_mosaic);
  if (close_mosaic === 0) return [{ epoch: 0, mosaic: true }];
  const first = closing > 0 ? [{ epoch: 0, mosaic: true }] : [];
  return [...first, { epoch: closing, mosaic: false }];
}
