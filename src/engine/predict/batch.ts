/**
 * One batch of prediction: images → the network's input → the network → detections in pixels of each image. With tiles, the
 * views of all images of the batch go through the network in batches of the same size.
 */
import { DETECTION, type LetterboxTransform, letterboxTransform, unletterbox } from '../../core/boxes.js';
import { checkSignals } from '../../core/interruption.js';
import { SequentialTimer } from '../../core/sequential-timer.js';
import type { PredictResult, RgbImage, Speed } from '../../core/types.js';
import type { Failure, Frame } from '../../data/sources.js';
import { toDetections } from '../../detect/detections.js';
import type { Detector } from '../../detect/detector.js';
import { inferDetections } from '../../detect/infer-detections.js';
import { mergeViews, type ViewDetections } from '../../detect/merge-views.js';
import type { NmsOptions } from '../../detect/nms.js';
import { type Tiling, type View, viewsOf } from '../../detect/tiles.js';
import { cropImage } from '../../image/crop.js';
import { letterboxInto } from '../../image/letterbox.js';
import { inputShape } from '../image-size.js';

/** How batches are made and what is kept of their predictions. */
export interface BatchOptions extends NmsOptions {
  /** n or [height, width] of the network's input; rounded up to the model's stride. */
  imgsz: number | readonly [height: number, width: number];
  batch: number;
  /** Pads only to the next multiple of the stride when all images (or tiles) of a batch have one size. */
  rect: boolean;
  /** Images that are larger than a tile are predicted in tiles, too. */
  tiling?: Tiling;
  /** Aborted, it takes away batches that wait for the network. */
  signal?: AbortSignal;
}

/** A batch that was predicted. */
export interface PredictedBatch {
  frames: readonly Frame[];
  /** One a frame. */
  results: PredictResult[];
  /** Of the network's input, pixels. */
  inputShape: [height: number, width: number];
}

/** What was found in some images. */
export interface FoundInImages {
  /** [N, 6] of each image: x1 y1 x2 y2 (pixels of the image) confidence class, most certain first. */
  rows: Float32Array[];
  /** Of the network's input, pixels; with tiles that of the last batch of them. */
  inputShape: [height: number, width: number];
  /** Milliseconds of all images together. */
  times: Speed;
}

/** What the network sees at once. */
interface ImagePart {
  /** Index of its image in the batch. */
  of: number;
  image: RgbImage;
  view: View;
}

/** Runs a detector on batches of frames. */
export class BatchPredictor {
  /** Images at a time: as asked for, or the fixed batch size of the model. */
  readonly batch: number;
  private readonly shape: [height: number, width: number];
  /** Inputs of the network that no batch is using. */
  private readonly free: Uint8Array[] = [];
  private readonly timer = new SequentialTimer();

  constructor(
    private readonly detector: Detector,
    private readonly options: BatchOptions,
  ) {
    this.batch = detector.fixedBatch ?? options.batch;
    this.shape = detector.fixedShape ?? inputShape(options.imgsz, detector.stride);
  }

  /**
   * May be called again before it is through: the network then takes the batches in their order.
   * @param frames at most `batch` of them
   */
  async predict(frames: readonly Frame[]): Promise<PredictedBatch> {
    const { rows, times, inputShape } = await this.detect(frames.map(({ image }) => image));
    const n = frames.length;
    const results = frames.map(({ path, frame, image }, i) => ({
      path,
      ...(frame === undefined ? {} : { frame }),
      width: image.width,
      height: image.height,
      detections: toDetections(rows[i], this.detector.names),
      speed: {
        preprocess: times.preprocess / n,
        inference: times.inference / n,
        postprocess: times.postprocess / n,
      },
    }));
    return { frames, results, inputShape };
  }

  /** As `predict`, for images alone. @throws Interrupted after `signal` */
  async detect(images: readonly RgbImage[]): Promise<FoundInImages> {
    const times: Speed = { preprocess: 0, inference: 0, postprocess: 0 };
    const parts = images.flatMap((image, of) =>
      viewsOf(image, this.options.tiling).map((view) => ({ of, image, view })),
    );
    const found: ViewDetections[][] = images.map(() => []);
    let inputShape: FoundInImages['inputShape'] = this.shape;
    for (let at = 0; at < parts.length; at += this.batch) {
      if (at > 0) await checkSignals(this.options.signal);
      const some = parts.slice(at, at + this.batch);
      const ran = await this.run(some, times);
      some.forEach(({ of, view }, k) => void found[of].push({ view, rows: ran.rows[k] }));
      inputShape = ran.inputShape;
    }
    const started = performance.now();
    const rows = images.map((image, of) => mergeViews(found[of], image, this.options));
    times.postprocess += performance.now() - started;
    return { rows, inputShape, times };
  }

  /** Runs the network once. @param times are added to @returns rows in pixels of the image */
  private async run(parts: readonly ImagePart[], times: Speed): Promise<Omit<FoundInImages, 'times'>> {
    const start = performance.now();
    const images = parts.map(({ image, view }) => cropImage(image, view));
    const placed = this.place(images);
    const { width, height } = placed[0];
    // A model of fixed batch size gets its last batch filled up with empty images.
    const slots = this.detector.fixedBatch ?? images.length;
    const size = width * height * 3;
    const buffer = this.take(slots * size);
    for (let i = 0; i < images.length; i++) letterboxInto(images[i], placed[i], buffer, i * size);
    const ready = performance.now();
    const { signal } = this.options;
    const [detections, inference] = await this.timer.time(() =>
      inferDetections(this.detector, buffer, [slots, height, width], this.options, { signal }),
    );
    const inferred = performance.now();
    this.free.push(buffer);
    const rows = parts.map(({ view }, i) => moved(unletterbox(detections(i), DETECTION, placed[i], view), view));
    times.preprocess += ready - start;
    times.inference += inference;
    times.postprocess += performance.now() - inferred;
    return { rows, inputShape: [height, width] };
  }

  private take(bytes: number): Uint8Array {
    const buffer = this.free.pop();
    return buffer?.length === bytes ? buffer : new Uint8Array(bytes);
  }

  private place(images: readonly RgbImage[]): LetterboxTransform[] {
    const [first] = images;
    const alike = images.every(({ width, height }) => width === first.width && height === first.height);
    const auto = this.options.rect && alike && !this.detector.fixedShape;
    return images.map((image) => letterboxTransform(image, this.shape, { auto, stride: this.detector.stride }));
  }
}

/** From pixels of a view to pixels of the image, in place. @param rows [N, 6] */
function moved(rows: Float32Array, { left, top }: View): Float32Array {
  for (let i = 0; i < rows.length; i += DETECTION) {
    rows[i] += left;
    rows[i + 1] += top;
    rows[i + 2] += left;
    rows[i + 3] += top;
  }
  return rows;
}

/**
 * Groups frames; failures are reported at once and take no place in a batch.
 * @param units indices of sources at which a batch ends, ascending, as of `unitStarts`
 */
export async function* batchesOf(
  frames: AsyncIterable<Frame | Failure>,
  size: number,
  onFailure: (failure: Failure) => void,
  units: readonly number[] = [],
): AsyncGenerator<Frame[]> {
  let batch: Frame[] = [];
  let next = 0;
  for await (const frame of frames) {
    if (frame.source >= units[next]) {
      while (frame.source >= units[next]) next++;
      if (batch.length) yield batch;
      batch = [];
    }
    if ('error' in frame) {
      onFailure(frame);
      continue;
    }
    batch.push(frame);
    if (batch.length < size) continue;
    yield batch;
    batch = [];
  }
  if (batch.length) yield batch;
}
