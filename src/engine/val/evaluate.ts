/**
 * Runs a detector over a split and gives every figure: what `yolo val` does, and what training does after each epoch with
 * its averaged weights. The boxes of one batch are matched while the network runs on the next.
 */
import { UserError } from '../../core/errors.js';
import { interruptible } from '../../core/interruption.js';
import { log } from '../../core/log.js';
import { notify } from '../../core/observers.js';
import { progress } from '../../core/progress.js';
import type { Speed } from '../../core/types.js';
import type { Dataset, DatasetImage } from '../../data/dataset.js';
import type { ValLoader } from '../../data/val-loader.js';
import type { Detector } from '../../detect/detector.js';
import { createTally, type Metrics } from '../../metrics/tally.js';
import {
  type LossDetector,
  type LossTriple,
  type PredictedImages,
  type PredictionOptions,
  type Predictions,
  predictionsOf,
} from './predictions.js';

/** What is measured of predictions. */
export interface MeasureOptions {
  /** Also COCO's figures. Default: true. */
  coco?: boolean;
  /** Also typed mistakes. Default: true. */
  errors?: boolean;
  observers?: readonly EvaluateObserver[];
  signal?: AbortSignal;
}

/** What is measured, and how images are predicted. */
export interface EvaluateOptions extends PredictionOptions, MeasureOptions {}

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

/** What an evaluation gathers batch by batch. */
interface Gathered {
  tally: ReturnType<typeof createTally>;
  broken: Evaluation['broken'];
  /** Milliseconds, of all images. */
  times: Speed;
  losses: LossTriple[];
}

/**
 * Runs the detector over the dataset.
 * @param loader of the batches; default: as the options say
 * @throws UserError when no image can be read; Interrupted as soon as `signal` is aborted
 */
export async function evaluate(
  detector: Detector | LossDetector,
  dataset: Dataset,
  options: EvaluateOptions,
  loader?: ValLoader,
): Promise<Evaluation> {
  return measure(predictionsOf(detector, dataset, options, loader), dataset, options);
}

/**
 * Compares predictions with the labels of their dataset.
 * @param predictions of all images or a part of them; they are closed
 * @throws UserError when all images of the dataset are broken; Interrupted as soon as `signal` is aborted
 */
export async function measure(
  { batches: total, images: count, predicted, close }: Predictions,
  dataset: Dataset,
  options: MeasureOptions,
): Promise<Evaluation> {
  const tally = createTally(dataset.names, options);
  const gathered: Gathered = { tally, broken: [], times: { preprocess: 0, inference: 0, postprocess: 0 }, losses: [] };
  const { signal, observers = [] } = options;
  try {
    await progress.track({ label: 'Validating', unit: 'batches', total }, async (update) => {
      let done = 0;
      for await (const images of interruptible(predicted, signal)) {
        await evaluateBatch(images, dataset, observers, gathered);
        update(++done);
        await notify(observers, 'onBatch', done, total);
      }
    });
  } finally {
    await close();
  }
  const { broken, times, losses } = gathered;
  refuseNoImages(dataset, broken);
  for (const { message } of broken) log.warn(`left out: ${message}`);
  const n = Math.max(count, 1);
  const { preprocess, inference, postprocess } = times;
  const speed = { preprocess: preprocess / n, inference: inference / n, postprocess: postprocess / n };
  const evaluation = { ...tally.finish(), speed, loss: meanLoss(losses), broken };
  await notify(observers, 'onEnd', evaluation);
  return evaluation;
}

async function evaluateBatch(
  { indices, transforms, broken, detections, times, items }: PredictedImages,
  dataset: Dataset,
  observers: readonly EvaluateObserver[],
  gathered: Gathered,
): Promise<void> {
  const started = performance.now();
  if (items) gathered.losses.push(items);
  for (const [k, index] of indices.entries()) {
    const image = dataset.images[index];
    const why = broken[k];
    if (why) {
      gathered.broken.push({ path: image.path, message: why });
      continue;
    }
    const { path, width, height, labels } = image;
    const found = { path, width, height, transform: transforms[k], detections: detections(k), labels };
    // What the tally gives back is in pixels of the image.
    await notify(observers, 'onImage', { image, index, detections: gathered.tally.add(found) });
  }
  gathered.times.preprocess += times.preprocess;
  gathered.times.inference += times.inference;
  gathered.times.postprocess += times.postprocess + performance.now() - started;
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

function meanLoss(losses: LossTriple[]): Evaluation['loss'] {
  if (!losses.length) return undefined;
  const sum = losses.reduce<LossTriple>((a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]], [0, 0, 0]);
  return [sum[0] / losses.length, sum[1] / losses.length, sum[2] / losses.length];
}
