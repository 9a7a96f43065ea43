/**
 * Runs a detector over a split and gives every figure: what `yolo val` does, and what training does after each epoch with
 * its averaged weights. Images are decoded ahead in threads, and the boxes of one
 * batch are matched while the network runs on the next.
 */
import { mapAhead } from '../../core/ahead.js';
import { DETECTION, labelsToPx } from '../../core/boxes.js';
import { UserError } from '../../core/errors.js';
import { abortable, checkSignals } from '../../core/interruption.js';
import { log } from '../../core/log.js';
import { notify } from '../../core/observers.js';
import { progress } from '../../core/progress.js';
import type { Speed } from '../../core/types.js';
import type { Dataset, DatasetImage } from '../../data/dataset.js';
import { createValLoader, type ValBatch, type ValLoader } from '../../data/val-loader.js';
import { detectionsOf } from '../../detect/detections.js';
import type { Detector, InferOutput } from '../../detect/detector.js';
import type { NmsOptions } from '../../detect/nms.js';
import { createTally, type Metrics } from '../../metrics/tally.js';

/** Batches on their way: one is matched, the network runs on the next. */
const AT_WORK = 2;

/** Confidence and IoU that validation has by default. */
const DEFAULT_NMS: NmsOptions = { conf: 0.001, iou: 0.7 };

/** What is measured, and how. */
export interface EvaluateOptions {
  /** Long side of the images, a multiple of the stride. */
  imgsz: number;
  batch: number;
  /** Default: true. */
  rect?: boolean;
  /** What is kept of the predictions. Default: conf 0.001, iou 0.7; the dataset should be opened with the same classes. */
  nms?: NmsOptions;
  /** All classes are one. */
  singleCls?: boolean;
  /** Most decoding threads. */
  workers?: number;
  /** Also COCO's figures. Default: true. */
  coco?: boolean;
  /** Also typed mistakes. Default: true. */
  errors?: boolean;
  signal?: AbortSignal;
  observers?: readonly EvaluateObserver[];
}

/** What an evaluation tells as it goes. All methods are optional and waited for. */
export interface EvaluateObserver {
  /** Every image that could be read, in the order of the loader. */
  onImage?(image: EvaluatedImage): void | Promise<void>;
  /** After every batch: batches that are done, and all of them. */
  onBatch?(done: number, total: number): void | Promise<void>;
  /** When all figures are there. */
  onEnd?(evaluation: Evaluation): void | Promise<void>;
}

/** An image, and what was found in it. */
export interface EvaluatedImage {
  image: DatasetImage;
  /** Index in the dataset. */
  index: number;
  /** Rows of 6: x1 y1 x2 y2 confidence class, pixels of the original image, by falling confidence. */
  detections: Float32Array;
}

/** Every figure of a validation. */
export interface Evaluation extends Metrics {
  /** Mean milliseconds an image. */
  speed: Speed;
  /** Box, class and DFL loss with gains, mean over batches, when the detector gives them. */
  loss?: LossTriple;
  /** Images that could not be decoded; they count nowhere. */
  broken: { path: string; message: string }[];
}

/** A detector that also tells the loss, given labels ([M, 5] class x1 y1 x2 y2, pixels of the network's input). */
export interface LossDetector extends Detector {
  inferWithLoss(
    images: Uint8Array,
    shape: [batch: number, height: number, width: number],
    labels: Float32Array[],
  ): Promise<InferOutput & { items: LossTriple }>;
}

/** Starts decoding; give the loader to `evaluate` (so that the first batch is read while the model loads). */
export function loaderFor(
  dataset: Dataset,
  options: Pick<EvaluateOptions, 'imgsz' | 'batch' | 'rect' | 'workers'>,
  model: Partial<Pick<Detector, 'stride' | 'fixedShape' | 'fixedBatch'>> = {},
): ValLoader {
  const { stride, fixedShape, fixedBatch } = model;
  const { imgsz, rect, workers } = options;
  const batch = fixedBatch ?? options.batch;
  return createValLoader(dataset.images, {
    imgsz: fixedShape ? Math.max(...fixedShape) : imgsz,
    batch,
    rect,
    stride,
    workers,
    fixedShape,
  });
}

/** What an evaluation gathers batch by batch. */
interface Gathered {
  tally: ReturnType<typeof createTally>;
  broken: Evaluation['broken'];
  /** Milliseconds, of all images. */
  times: Speed;
  losses: LossTriple[];
}

type LossTriple = [box: number, cls: number, dfl: number];

/**
 * Runs the detector over the dataset.
 * @throws UserError when no image can be read; Interrupted as soon as `signal` is aborted
 */
export async function evaluate(
  detector: Detector | LossDetector,
  dataset: Dataset,
  options: EvaluateOptions,
  loader: ValLoader = loaderFor(dataset, options, detector),
): Promise<Evaluation> {
  const tally = createTally(dataset.names, options);
  const gathered: Gathered = { tally, broken: [], times: { preprocess: 0, inference: 0, postprocess: 0 }, losses: [] };
  const { signal, observers = [] } = options;
  const total = loader.batches;
  try {
    await progress.track({ label: 'Validating', unit: 'batches', total }, async (update) => {
      const ran = mapAhead(
        loader,
        AT_WORK,
        timed((batch) => run(detector, dataset, batch)),
      );
      for (let count = 1; ; count++) {
        const { done, value } = await abortable(ran.next(), signal);
        if (done) break;
        await checkSignals(signal);
        await evaluateBatch(value, dataset, detector.endToEnd, options, gathered);
        update(count);
        await notify(observers, 'onBatch', count, total);
      }
    });
  } finally {
    await loader.close();
  }
  const { broken, times, losses } = gathered;
  refuseNoImages(dataset, broken);
  for (const { message } of broken) log.warn(`left out: ${message}`);
  const n = Math.max(dataset.images.length, 1);
  const { preprocess, inference, postprocess } = times;
  const speed = { preprocess: preprocess / n, inference: inference / n, postprocess: postprocess / n };
  const evaluation = { ...tally.finish(), speed, loss: meanLoss(losses), broken };
  await notify(observers, 'onEnd', evaluation);
  return evaluation;
}

/** A batch and what the network says of it. */
interface Ran {
  batch: ValBatch;
  output: InferOutput;
  items?: LossTriple;
}

/** Adds the milliseconds that the network ran; it takes batches one after the other, so that one may wait for another. */
function timed<R>(work: (batch: ValBatch) => Promise<R>): (batch: ValBatch) => Promise<R & { inference: number }> {
  let idleSince = 0;
  return async (batch) => {
    const asked = performance.now();
    const result = await work(batch);
    const started = Math.max(asked, idleSince);
    idleSince = performance.now();
    return { ...result, inference: idleSince - started };
  };
}

async function evaluateBatch(
  { batch, output, items, inference }: Ran & { inference: number },
  dataset: Dataset,
  endToEnd: boolean | undefined,
  options: EvaluateOptions,
  { tally, broken, times, losses }: Gathered,
): Promise<void> {
  const started = performance.now();
  if (items) losses.push(items);
  for (const [k, index] of batch.indices.entries()) {
    const image = dataset.images[index];
    const why = batch.broken[k];
    if (why) {
      broken.push({ path: image.path, message: why });
      continue;
    }
    const detections = detectionsIn(output, k, options, endToEnd);
    const { path, width, height, labels } = image;
    // What the tally gives back is in pixels of the image.
    const judged = tally.add({ path, width, height, transform: batch.transforms[k], detections, labels });
    await notify(options.observers ?? [], 'onImage', { image, index, detections: judged });
  }
  times.preprocess += batch.time;
  times.inference += inference;
  times.postprocess += performance.now() - started;
}

/** Figures of no image are no figures: a folder that is gone must not look like a network that finds nothing. */
function refuseNoImages({ images }: Dataset, broken: Evaluation['broken']): void {
  if (broken.length < images.length || broken.length === 0) return;
  const first = broken[0].message;
  throw new UserError(
    'unreadable-images',
    images.length === 1
      ? `nothing to validate on: ${first}`
      : `none of the ${images.length} images can be read: ${first}`,
    'make them readable again',
    1,
  );
}

async function run(detector: Detector | LossDetector, dataset: Dataset, batch: ValBatch): Promise<Ran> {
  if ('inferWithLoss' in detector) {
    const { indices, transforms } = batch;
    const images = indices.map((index) => dataset.images[index]);
    const labels = images.map((image, k) => labelsToPx(image.labels, image, transforms[k]));
    const { items, ...output } = await detector.inferWithLoss(batch.images, batch.shape, labels);
    return { batch, output, items };
  }
  const [b, h, w] = batch.shape;
  const fixed = detector.fixedBatch;
  if (!fixed || fixed === b) return { batch, output: await detector.infer(batch.images, batch.shape) };
  const padded = new Uint8Array(fixed * h * w * 3);
  padded.set(batch.images);
  return { batch, output: await detector.infer(padded, [fixed, h, w]) };
}

/** Detections of image k of a batch. @returns rows of 6: x1 y1 x2 y2 confidence class, pixels of the network's input */
function detectionsIn(
  output: InferOutput,
  k: number,
  { nms = DEFAULT_NMS, singleCls = false }: EvaluateOptions,
  endToEnd: boolean | undefined,
): Float32Array {
  const settings = { ...nms, agnostic: nms.agnostic || singleCls, multiLabel: true };
  const detections = detectionsOf(output, k, settings, endToEnd);
  if (singleCls) for (let i = 5; i < detections.length; i += DETECTION) detections[i] = 0;
  return detections;
}

function meanLoss(losses: LossTriple[]): Evaluation['loss'] {
  if (!losses.length) return undefined;
  const sum = losses.reduce<LossTriple>((a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]], [0, 0, 0]);
  return [sum[0] / losses.length, sum[1] / losses.length, sum[2] / losses.length];
}
