/** One batch of prediction: images → the network's input → the network → detections in pixels of each image. */
import { DETECTION, type LetterboxTransform, letterboxTransform, unletterbox } from '../../core/boxes.js';
import type { PredictResult } from '../../core/types.js';
import type { Failure, Frame } from '../../data/sources.js';
import { detectionsOf, toDetections } from '../../detect/detections.js';
import type { Detector } from '../../detect/detector.js';
import type { NmsOptions } from '../../detect/nms.js';
import { letterboxInto } from '../../image/letterbox.js';
import { inputShape } from '../image-size.js';

/** How batches are made and what is kept of their predictions. */
export interface BatchOptions extends NmsOptions {
  /** n or [height, width] of the network's input; rounded up to the model's stride. */
  imgsz: number | readonly [height: number, width: number];
  batch: number;
  /** Pads only to the next multiple of the stride when all images of a batch have one size. */
  rect: boolean;
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

/** Runs a detector on batches of frames. */
export class BatchPredictor {
  /** Images at a time: as asked for, or the fixed batch size of the model. */
  readonly batch: number;
  private readonly shape: [height: number, width: number];
  /** Inputs of the network that no batch is using. */
  private readonly free: Uint8Array[] = [];
  /** When the network was last free. */
  private idleSince = 0;

  constructor(
    private readonly detector: Detector,
    private readonly options: BatchOptions,
  ) {
    this.batch = detector.fixedBatch ?? options.batch;
    this.shape = detector.fixedShape ?? inputShape(options.imgsz, detector.stride);
  }

  /**
   * May be called again before it is through: the network then takes the batches one after the other.
   * @param frames at most `batch` of them
   */
  async predict(frames: readonly Frame[]): Promise<PredictedBatch> {
    const start = performance.now();
    const placed = this.place(frames);
    const { width, height } = placed[0];
    // A model of fixed batch size gets its last batch filled up with empty images.
    const slots = this.detector.fixedBatch ?? frames.length;
    const size = width * height * 3;
    const buffer = this.take(slots * size);
    for (let i = 0; i < frames.length; i++) letterboxInto(frames[i].image, placed[i], buffer, i * size);
    const ready = performance.now();
    const output = await this.detector.infer(buffer, [slots, height, width], { signal: this.options.signal });
    const inferred = performance.now();
    const started = Math.max(ready, this.idleSince);
    this.idleSince = inferred;
    this.free.push(buffer);
    const found = frames.map(({ image }, i) => {
      const rows = detectionsOf(output, i, this.options, this.detector.endToEnd);
      return toDetections(unletterbox(rows, DETECTION, placed[i], image), this.detector.names);
    });
    const n = frames.length;
    const speed = {
      preprocess: (ready - start) / n,
      inference: (inferred - started) / n,
      postprocess: (performance.now() - inferred) / n,
    };
    const results = frames.map(({ path, frame, image }, i) => ({
      path,
      ...(frame === undefined ? {} : { frame }),
      width: image.width,
      height: image.height,
      detections: found[i],
      speed: { ...speed },
    }));
    return { frames, results, inputShape: [height, width] };
  }

  private take(bytes: number): Uint8Array {
    const buffer = this.free.pop();
    return buffer?.length === bytes ? buffer : new Uint8Array(bytes);
  }

  private place(frames: readonly Frame[]): LetterboxTransform[] {
    const [{ image: first }] = frames;
    const alike = frames.every(({ image }) => image.width === first.width && image.height === first.height);
    const auto = this.options.rect && alike && !this.detector.fixedShape;
    return frames.map(({ image }) => letterboxTransform(image, this.shape, { auto, stride: this.detector.stride }));
  }
}

/** Groups frames; failures are reported at once and take no place in a batch. */
export async function* batchesOf(
  frames: AsyncIterable<Frame | Failure>,
  size: number,
  onFailure: (failure: Failure) => void,
): AsyncGenerator<Frame[]> {
  let batch: Frame[] = [];
  for await (const frame of frames) {
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
