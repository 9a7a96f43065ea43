/** Keys of a configuration under the names that the layers below have for them: translated here and nowhere else in engine/. */
import { availableParallelism } from 'node:os';
import { wasGiven } from '../cfg/load.js';
import { nmsOptions } from '../cfg/nms-options.js';
import type { Config, ConfigOf, PredictConfig } from '../cfg/schema.js';
import { UserError } from '../core/errors.js';
import type { DatasetImage, OpenOptions } from '../data/dataset.js';
import type { TrainLoaderOptions } from '../data/loader.js';
import type { NmsOptions } from '../detect/nms.js';
import type { Tiling } from '../detect/tiles.js';
import type { OutputOptions } from './predict/output.js';
import type { EvaluateOptions } from './val/evaluate.js';

/** What is kept of a network's predictions. */
export function detectionOptions(
  config: Pick<Config, 'conf' | 'iou' | 'max_det' | 'agnostic_nms' | 'classes'>,
): NmsOptions {
  return { ...nmsOptions(config), classes: config.classes ?? undefined };
}

/** How images are cut into tiles, if they are. @throws UserError when tile_overlap is given without tile */
export function tilingOptions(config: Pick<Config, 'tile' | 'tile_overlap'>): Tiling | undefined {
  if (config.tile !== null) return { size: config.tile, overlap: config.tile_overlap };
  if (!wasGiven(config, 'tile_overlap')) return undefined;
  const hint = 'give the size of the tiles, too, e.g. tile=640';
  throw new UserError('missing-tile', `tile_overlap=${config.tile_overlap} has no meaning without tile`, hint);
}

/** What a validation keeps and counts, and its decoding threads. */
export function evaluationOptions(
  config: Parameters<typeof detectionOptions>[0] & Pick<Config, 'single_cls' | 'workers'>,
): Pick<EvaluateOptions, 'nms' | 'singleCls' | 'workers'> {
  return { nms: detectionOptions(config), singleCls: config.single_cls, workers: config.workers };
}

/** What a prediction writes, and how it is drawn. */
export function outputOptions(config: PredictConfig): OutputOptions {
  return {
    save: config.save,
    saveTxt: config.save_txt,
    saveConf: config.save_conf,
    saveCrop: config.save_crop,
    saveFrames: config.save_frames,
    showLabels: config.show_labels,
    showConf: config.show_conf,
    showBoxes: config.show_boxes,
    lineWidth: config.line_width ?? undefined,
  };
}

/** Which labels of a dataset count. */
export function datasetOptions({ single_cls, classes }: Pick<Config, 'single_cls' | 'classes'>): OpenOptions {
  return { singleCls: single_cls, classes };
}

/**
 * How training batches are made.
 * @param imgsz long side of the network's input, pixels; a multiple of its stride
 */
export function trainLoaderOptions(
  config: ConfigOf<'train'> | ConfigOf<'show'>,
  images: DatasetImage[],
  { batch, imgsz, part }: { batch: number; imgsz: number; part?: TrainLoaderOptions['part'] },
): TrainLoaderOptions {
  return {
    images,
    imgsz,
    batch,
    augment: config,
    seed: config.seed,
    workers: limitWorkers(config.workers),
    cache: config.cache,
    rect: config.rect,
    multiScale: config.multi_scale,
    part,
  };
}

/**
 * Limits the number of threads to half the processors: the training step needs them, and one thread prepares more images
 * than one processor can train on.
 */
function limitWorkers(asked: number): number {
  return Math.max(0, Math.min(asked, Math.ceil(availableParallelism() / 2)));
}
