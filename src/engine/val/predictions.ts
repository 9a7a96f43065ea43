/**
 * What a detector finds in the images of a dataset: image by batch of letterboxed images, decoded ahead in threads, or with
 * tiles image by image.
 */
import { mapAhead } from '../../core/ahead.js';
import { DETECTION, labelsToPx, NO_TRANSFORM, type PixelTransform } from '../../core/boxes.js';
import { SequentialTimer } from '../../core/sequential-timer.js';
import { type Shard, unitsOf } from '../../core/shard.js';
import type { Speed } from '../../core/types.js';
import type { Dataset } from '../../data/dataset.js';
import { type DecodedImage, decodedImages } from '../../data/val-images.js';
import { createValLoader, type ValBatch, type ValLoader } from '../../data/val-loader.js';
import { detectionsOf } from '../../detect/detections.js';
import type { Detector, InferOutput } from '../../detect/detector.js';
import { inferDetections, minScoreOf } from '../../detect/infer-detections.js';
import type { NmsOptions } from '../../detect/nms.js';
import type { Tiling } from '../../detect/tiles.js';
import { BatchPredictor } from '../predict/batch.js';

/** Batches on their way: one is matched, the network runs on the next. */
const AT_WORK = 2;

/** Confidence and IoU that validation has by default. */
const DEFAULT_NMS: NmsOptions = { conf: 0.001, iou: 0.7 };

/** How images are predicted. */
export interface PredictionOptions {
  /** Long side of the images, a multiple of the stride. */
  imgsz: number;
  batch: number;
  /** Images of like aspect share a batch that fits them; not with tiles. Default: true. */
  rect?: boolean;
  /** Images that are larger than a tile are predicted in tiles, too. */
  tiling?: Tiling;
  /** What is kept of the predictions. Default: conf 0.001, iou 0.7; the dataset should be opened with the same classes. */
  nms?: NmsOptions;
  /** All classes are one. */
  singleCls?: boolean;
  /** Most decoding threads. */
  workers?: number;
  /** Only a part of the batches, as they are in the whole; with tiles of the images. Default: all. */
  shard?: Shard;
  signal?: AbortSignal;
}

/** Images that were predicted together. */
export interface PredictedImages {
  /** Index of each image in the dataset. */
  indices: number[];
  /** From the pixels of each image to those of its detections. */
  transforms: PixelTransform[];
  /** Why an image could not be decoded, each image. */
  broken: (string | undefined)[];
  /** Of the k-th image, rows of 6: x1 y1 x2 y2 confidence class, most certain first. */
  detections(k: number): Float32Array;
  /** Milliseconds until here, of all images. */
  times: Speed;
  /** Of the batch, from a LossDetector. */
  items?: LossTriple;
}

/** The predictions of a dataset, as they come. */
export interface Predictions {
  batches: number;
  /** Number of images in them. */
  images: number;
  predicted: AsyncGenerator<PredictedImages>;
  /** Ends the decoding. */
  close(): Promise<void>;
}

/** Box, class and DFL loss with gains. */
export type LossTriple = [box: number, cls: number, dfl: number];

/** A detector that also tells the loss, given labels ([M, 5] class x1 y1 x2 y2, pixels of the network's input). */
export interface LossDetector extends Detector {
  inferWithLoss(
    images: Uint8Array,
    shape: [batch: number, height: number, width: number],
    labels: Float32Array[],
    minScore: number,
  ): Promise<{ outputs: InferOutput[]; items: LossTriple }>;
}

/** Starts decoding. */
export function loaderFor(
  dataset: Dataset,
  options: Pick<PredictionOptions, 'imgsz' | 'batch' | 'rect' | 'workers' | 'shard'>,
  model: Partial<Pick<Detector, 'stride' | 'fixedShape' | 'fixedBatch'>> = {},
): ValLoader {
  const { stride, fixedShape, fixedBatch } = model;
  const { imgsz, rect, workers, shard } = options;
  const batch = fixedBatch ?? options.batch;
  return createValLoader(dataset.images, {
    imgsz: fixedShape ? Math.max(...fixedShape) : imgsz,
    batch,
    rect,
    stride,
    workers,
    fixedShape,
    shard,
  });
}

/**
 * Predictions of a dataset, or of the shard of it that `options` name.
 * @param loader of the batches; default: as the options say
 */
export function predictionsOf(
  detector: Detector | LossDetector,
  dataset: Dataset,
  options: PredictionOptions,
  loader?: ValLoader,
): Predictions {
  return options.tiling
    ? tiledPredictions(detector, dataset, options)
    : batchPredictions(detector, dataset, options, loader);
}

/** Predictions of letterboxed images. */
function batchPredictions(
  detector: Detector | LossDetector,
  dataset: Dataset,
  options: PredictionOptions,
  loader: ValLoader = loaderFor(dataset, options, detector),
): Predictions {
  const settings = nmsSettings(options);
  const timer = new SequentialTimer();
  const predicted = mapAhead(loader, AT_WORK, async (batch): Promise<PredictedImages> => {
    const [{ found, items }, inference] = await timer.time(() => run(detector, dataset, batch, settings));
    const { indices, transforms, broken, time } = batch;
    const detections = (k: number) => withoutClass(found(k), options.singleCls);
    return { indices, transforms, broken, detections, times: { preprocess: time, inference, postprocess: 0 }, items };
  });
  return { batches: loader.batches, images: loader.images, predicted, close: () => loader.close() };
}

/** Predictions of images in tiles; their detections are in pixels of the image. */
function tiledPredictions(detector: Detector, dataset: Dataset, options: PredictionOptions): Predictions {
  const { imgsz, batch, tiling, shard, signal } = options;
  const range = unitsOf(dataset.images.length, shard);
  const images = range.to - range.from;
  const predictor = new BatchPredictor(detector, {
    ...nmsSettings(options),
    imgsz,
    batch,
    rect: false,
    tiling,
    signal,
  });
  const work = async ({ index, image, broken, time }: DecodedImage): Promise<PredictedImages> => {
    const found = image && (await predictor.detect([image]));
    const times = found?.times ?? { preprocess: 0, inference: 0, postprocess: 0 };
    return {
      indices: [index],
      transforms: [NO_TRANSFORM],
      broken: [broken],
      detections: () => withoutClass(found?.rows[0] ?? new Float32Array(0), options.singleCls),
      times: { ...times, preprocess: times.preprocess + time },
    };
  };
  const predicted = mapAhead(decodedImages(dataset.images, range), AT_WORK, work);
  // What is at work is not waited for: it ends by itself.
  const close = async () => void predicted.return().catch(() => {});
  return { batches: images, images, predicted, close };
}

/** What the network says of a batch. */
interface Ran {
  /** Detections [N, 6] of image k; non-maximum suppression runs when it is called. */
  found(k: number): Float32Array;
  items?: LossTriple;
}

async function run(
  detector: Detector | LossDetector,
  dataset: Dataset,
  batch: ValBatch,
  settings: NmsOptions,
): Promise<Ran> {
  if ('inferWithLoss' in detector) {
    const { indices, transforms } = batch;
    const images = indices.map((index) => dataset.images[index]);
    const labels = images.map((image, k) => labelsToPx(image.labels, image, transforms[k]));
    const { items, outputs } = await detector.inferWithLoss(batch.images, batch.shape, labels, minScoreOf(settings));
    return { found: (k) => detectionsOf(outputs[k], 0, settings), items };
  }
  const [b, h, w] = batch.shape;
  const { fixedBatch: fixed = b } = detector;
  let { images } = batch;
  if (fixed !== b) {
    images = new Uint8Array(fixed * h * w * 3);
    images.set(batch.images);
  }
  return { found: await inferDetections(detector, images, [fixed, h, w], settings) };
}

function nmsSettings({ nms = DEFAULT_NMS, singleCls = false }: PredictionOptions): NmsOptions {
  return { ...nms, agnostic: nms.agnostic || singleCls, multiLabel: true };
}

function withoutClass(rows: Float32Array, singleCls = false): Float32Array {
  if (singleCls) for (let i = 5; i < rows.length; i += DETECTION) rows[i] = 0;
  return rows;
}
