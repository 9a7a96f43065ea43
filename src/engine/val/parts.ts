/**
 * Validation in parts: each process runs the network on some of the batches and hands over what it predicted; one process
 * puts the parts together and measures them. The batches and their order are those of one process, so that all figures are
 * the same to the last bit.
 */
import { DETECTION } from '../../core/boxes.js';
import { interruptible } from '../../core/interruption.js';
import { progress } from '../../core/progress.js';
import { type Shard, shardText } from '../../core/shard.js';
import type { Dataset } from '../../data/dataset.js';
import type { ValLoader } from '../../data/val-loader.js';
import type { Detector } from '../../detect/detector.js';
import { type Evaluation, type MeasureOptions, measure } from './evaluate.js';
import { badPart, decodePart, encodePart, type Part } from './part-file.js';
import {
  type LossDetector,
  type LossTriple,
  type PredictedImages,
  type PredictionOptions,
  type Predictions,
  predictionsOf,
} from './predictions.js';

/**
 * Predicts a shard of a dataset, without measuring it.
 * @param loader of the shard's batches; default: as the options say
 * @returns the part, in the format of part-file.ts
 * @throws Interrupted as soon as `signal` is aborted
 */
export async function predictPart(
  detector: Detector | LossDetector,
  dataset: Dataset,
  options: PredictionOptions & { shard: Shard },
  loader?: ValLoader,
): Promise<Uint8Array> {
  const recorder = new PartRecorder(options.shard, dataset);
  const { predicted, batches: total, close } = recorder.record(predictionsOf(detector, dataset, options, loader));
  try {
    await progress.track({ label: 'Validating', unit: 'batches', total }, async (update) => {
      let done = 0;
      for await (const _ of interruptible(predicted, options.signal)) update(++done);
    });
  } finally {
    await close();
  }
  return recorder.bytes();
}

/**
 * Measures the parts of a dataset. The speed is the mean over the images of all parts.
 * @param parts all of them, in any order
 * @param options as of `evaluate` in one process
 * @returns what `evaluate` gives, equal to the last bit but for the speed
 * @throws UserError 'bad-part' for a part that is damaged, missing, given twice, or of another dataset; as `evaluate`
 */
export async function evaluateParts(
  parts: readonly Uint8Array[],
  dataset: Dataset,
  options: MeasureOptions = {},
): Promise<Evaluation> {
  return measure(restored(parts, dataset), dataset, options);
}

/** Keeps the predictions that pass through it. */
export class PartRecorder {
  private readonly images: number[] = [];
  private readonly counts: number[] = [];
  private readonly detections: Float32Array[] = [];
  private readonly transforms: number[] = [];
  private readonly batches: number[] = [];
  private readonly losses: number[] = [];
  private readonly times: number[] = [];
  private readonly broken: string[] = [];

  constructor(
    private readonly shard: Shard,
    private readonly dataset: Pick<Dataset, 'images'>,
  ) {}

  /** The same predictions, which are kept as they pass. */
  record(predictions: Predictions): Predictions {
    return { ...predictions, predicted: this.recording(predictions.predicted) };
  }

  /** The part, of all batches that passed. */
  bytes(): Uint8Array {
    const detections = new Float32Array(this.detections.reduce((sum, rows) => sum + rows.length, 0));
    let at = 0;
    for (const rows of this.detections) {
      detections.set(rows, at);
      at += rows.length;
    }
    return encodePart({
      shard: this.shard,
      dataset: this.dataset.images.length,
      broken: this.broken,
      tensors: {
        images: Int32Array.from(this.images),
        counts: Int32Array.from(this.counts),
        detections,
        transforms: Float64Array.from(this.transforms),
        batches: Int32Array.from(this.batches),
        losses: Float64Array.from(this.losses),
        times: Float64Array.from(this.times),
      },
    });
  }

  private async *recording(predicted: AsyncGenerator<PredictedImages>): AsyncGenerator<PredictedImages> {
    for await (const images of predicted) yield this.add(images);
  }

  private add(images: PredictedImages): PredictedImages {
    const started = performance.now();
    const { indices, transforms, broken, times, items } = images;
    // Copies: the detector may use its memory again.
    const rows = indices.map((_, k) => Float32Array.from(broken[k] === undefined ? images.detections(k) : []));
    const postprocess = times.postprocess + performance.now() - started;
    indices.forEach((index, k) => {
      const why = broken[k];
      const { ratioX, ratioY, padX, padY } = transforms[k];
      this.images.push(index);
      this.counts.push(why === undefined ? rows[k].length / DETECTION : -1);
      this.transforms.push(ratioX, ratioY, padX, padY);
      this.detections.push(rows[k]);
      if (why !== undefined) this.broken.push(why);
    });
    this.batches.push(indices.length);
    this.times.push(times.preprocess, times.inference, postprocess);
    if (items) this.losses.push(...items);
    return { ...images, detections: (k) => rows[k], times: { ...times, postprocess } };
  }
}

/** The predictions of all parts, in the order of one process. @throws UserError 'bad-part' */
function restored(files: readonly Uint8Array[], { images }: Pick<Dataset, 'images'>): Predictions {
  const parts = files.map(decodePart).sort((a, b) => a.shard.index - b.shard.index);
  refuseIncomplete(parts, images.length);
  async function* predicted(): AsyncGenerator<PredictedImages> {
    for (const part of parts) yield* batchesOf(part);
  }
  const batches = parts.reduce((sum, { tensors }) => sum + tensors.batches.length, 0);
  return { batches, images: images.length, predicted: predicted(), close: async () => {} };
}

function* batchesOf({ tensors, broken }: Part): Generator<PredictedImages> {
  const { images, counts, detections, transforms, batches, losses, times } = tensors;
  const triple = (array: Float64Array, b: number): LossTriple => [...array.subarray(3 * b, 3 * b + 3)] as LossTriple;
  let [image, row, reason] = [0, 0, 0];
  for (const [b, size] of batches.entries()) {
    const places = Array.from({ length: size }, (_, k) => image + k);
    image += size;
    const rows = places.map((i) => {
      const from = row;
      row += Math.max(0, counts[i]) * DETECTION;
      return detections.subarray(from, row);
    });
    const [preprocess, inference, postprocess] = triple(times, b);
    yield {
      indices: places.map((i) => images[i]),
      transforms: places.map((i) => {
        const [ratioX, ratioY, padX, padY] = transforms.subarray(4 * i, 4 * i + 4);
        return { ratioX, ratioY, padX, padY };
      }),
      broken: places.map((i) => (counts[i] < 0 ? broken[reason++] : undefined)),
      detections: (k) => rows[k],
      times: { preprocess, inference, postprocess },
      items: losses.length ? triple(losses, b) : undefined,
    };
  }
}

/** @param count of images in the dataset @throws UserError 'bad-part' */
function refuseIncomplete(parts: readonly Part[], count: number): void {
  const whole = parts[0]?.shard.count;
  if (parts.length !== whole || parts.some(({ shard }, i) => shard.count !== whole || shard.index !== i + 1)) {
    const given = parts.map(({ shard }) => shardText(shard)).join(', ') || 'none';
    throw badPart(`all shards are needed, each once, and the given ones are ${given}`);
  }
  const other = parts.find(({ dataset }) => dataset !== count);
  if (other) throw badPart(`they are of a dataset of ${other.dataset} images, and this one has ${count}`);
  const seen = new Uint8Array(count);
  for (const { tensors } of parts) for (const index of tensors.images) seen[index]++;
  const wrong = seen.findIndex((times) => times !== 1);
  if (wrong >= 0) throw badPart(`image ${wrong} of the dataset was evaluated ${seen[wrong]} times`);
}
