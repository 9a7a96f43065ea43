/**
 * Prediction: images in, detections out. While the network runs on one batch, the next images are decoded and the previous
 * ones written. Nothing here grows with the number of images.
 */
import type { PredictConfig } from '../../cfg/schema.js';
import { mapAhead } from '../../core/ahead.js';
import { warnUnknownClasses } from '../../core/class-range.js';
import { UserError } from '../../core/errors.js';
import { checkSignals, interruptible } from '../../core/interruption.js';
import { log } from '../../core/log.js';
import { notify } from '../../core/observers.js';
import type { PredictResult, Speed } from '../../core/types.js';
import { sourcesOf } from '../../data/program-source.js';
import type { Origin } from '../../data/source-list.js';
import { unitStarts } from '../../data/source-units.js';
import { type Failure, type Frame, readSources } from '../../data/sources.js';
import { loadDetector } from '../load-detector.js';
import { sizeFor } from '../model-defaults.js';
import { detectionOptions, tilingOptions } from '../options.js';
import { BatchPredictor, batchesOf } from './batch.js';
import { openDestination } from './destination.js';
import type { PredictObserver, PredictRunOptions, PredictSummary, ResultPlace } from './observer.js';

/** Batches on their way besides those in the network: the results of one are used, another one is letterboxed. */
const AROUND = 2;

/**
 * Detects objects in everything that `source` names. Images that can't be read are named in the log and in the summary.
 * @yields one result an image or frame, in order, as soon as it is there
 * @throws UserError when the model or the source is missing, or results can't be written; Interrupted after `signal`
 */
export async function* predict(
  config: PredictConfig,
  options: PredictRunOptions = {},
): AsyncGenerator<PredictResult, PredictSummary> {
  const source = options.source ?? config.source;
  if (source === null || source === undefined || source === '') {
    throw new UserError('missing-source', "'source' is missing", 'give a file, folder, URL or -, e.g. source=bus.jpg');
  }
  const { signal } = options;
  const settings = batchOptions(config);
  await checkSignals(signal);
  const origins = await sourcesOf(source, options.order);
  const manyRuns = options.alone && Array.isArray(origins) && isMany(origins);
  const detector = options.detector ?? (await loadDetector(config.model, { ...config, manyRuns }));
  const imgsz = sizeFor(config, detector);
  const predictor = new BatchPredictor(detector, { ...settings, imgsz, signal });
  const listed = Array.isArray(origins) ? (origins as readonly Origin[]) : undefined;
  const units = listed && unitStarts(listed, predictor.batch);
  const { batch } = predictor;
  const destination = await openDestination({ ...config, imgsz }, { origins, units, batch, engine: detector.engine });
  const { saveDir, range } = destination;
  const sources = listed?.length;
  const observers: PredictObserver[] = [...destination.observers, ...(options.observers ?? [])];
  const summary = emptySummary(saveDir, detector.engine);
  const frames = readSources(origins, {
    stride: config.vid_stride,
    buffer: config.stream_buffer,
    ahead: Math.max(2, batch),
    range,
    signal,
  });
  try {
    warnUnknownClasses(config.classes, detector.names, 'the model');
    await notify(observers, 'onStart', { sources, saveDir, engine: detector.engine });
    const batches = batchesOf(frames, batch, (failure) => note(failure, summary), units);
    // What a program hands over one by one is asked for one by one.
    const atWork = sources === undefined ? 1 : (detector.atOnce ?? 1) + AROUND;
    const predicted = mapAhead(batches, atWork, (some) => predictor.predict(some));
    try {
      for await (const { frames: some, results, inputShape } of interruptible(predicted, signal)) {
        summary.inputShape = inputShape;
        for (let i = 0; i < results.length; i++) {
          const { result, lines } = options.step?.(results[i], some[i]) ?? { result: results[i] };
          add(result, summary);
          const place = placeIn(some[i], sources, inputShape);
          await notify(observers, 'onResult', result, place, some[i], lines);
          yield result;
        }
      }
    } finally {
      if (!options.detector) detector.dispose();
      const closed = frames.return(undefined);
      if (!signal?.aborted) await closed; // what is waited for may never come
      await notify(observers, 'onEnd');
    }
    destination.finish(summary);
  } finally {
    destination.release();
  }
  return summary;
}

/** Whether there are several images that are all there already. */
function isMany(origins: readonly Origin[]): boolean {
  if (origins.some(({ kind }) => kind === 'stream' || kind === 'camera')) return false;
  return origins.length > 1 || origins[0].kind === 'video';
}

function batchOptions(config: PredictConfig): ConstructorParameters<typeof BatchPredictor>[1] {
  return {
    imgsz: config.imgsz,
    batch: config.batch,
    rect: config.rect,
    tiling: tilingOptions(config),
    ...detectionOptions(config),
  };
}

function emptySummary(saveDir: string | undefined, engine: string): PredictSummary {
  const speed: Speed = { preprocess: 0, inference: 0, postprocess: 0 };
  return { images: 0, failed: [], saveDir, labels: 0, speed, engine };
}

/** Adds a result to the running averages. */
function add({ speed }: PredictResult, summary: PredictSummary): void {
  summary.images++;
  for (const stage of Object.keys(speed) as (keyof Speed)[]) {
    summary.speed[stage] += (speed[stage] - summary.speed[stage]) / summary.images;
  }
}

function note({ path, error }: Failure, summary: PredictSummary): void {
  log.warn(`${error.message}${error.hint ? ` (${error.hint})` : ''}; it is skipped`);
  summary.failed.push({ path, reason: error.message });
}

function placeIn({ source, moving }: Frame, sources: number | undefined, inputShape: [number, number]): ResultPlace {
  return { source: source + 1, sources, frames: moving?.frames, kind: moving?.kind ?? 'image', inputShape };
}

/** Detections in words: '4 persons, 1 bus', in the order of the classes; '(no detections)' for nothing. */
export function describeDetections({ detections }: Pick<PredictResult, 'detections'>): string {
  const counts = new Map<number, { name: string; n: number }>();
  for (const { class: cls, name } of detections) counts.set(cls, { name, n: (counts.get(cls)?.n ?? 0) + 1 });
  const parts = [...counts].sort(([a], [b]) => a - b).map(([, { name, n }]) => `${n} ${name}${n > 1 ? 's' : ''}`);
  return parts.join(', ') || '(no detections)';
}
