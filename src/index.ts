/**
 * The Node API. The command uses the same functions (src/engine), so both do the same.
 *
 * ```ts
 * import { YOLO } from 'yolov8-tfjs';
 * const yolo = await YOLO.load('yolov8n.pt');
 * for await (const { path, detections } of yolo.predict('images/', { conf: 0.4 })) {
 *   for (const { name, confidence, box } of detections) console.log(path, name, confidence, box);
 * }
 * ```
 */
import { resolveConfig } from './cfg/load.js';
import type { OptionsOf } from './cfg/schema.js';
import { UserError } from './core/errors.js';
import type { PredictResult } from './core/types.js';
import { keepErrors, nameOfUrl, type SourceInput } from './data/program-source.js';
import type { Detector } from './detect/detector.js';
import type { ExportResult } from './engine/export/exporter.js';
import { loadDetector } from './engine/load-detector.js';
import type { PredictSummary } from './engine/predict/observer.js';
import { predict } from './engine/predict/predictor.js';
import type { MergeResult } from './engine/shards/merge.js';
import type { Sequences, TrackResult } from './engine/track/sequences.js';
import { sequencesFor, track } from './engine/track/track.js';
import type { TrainCallbacks, TrainEpoch, TrainSummary } from './engine/train/results.js';
import type { EvaluateObserver } from './engine/val/evaluate.js';
import type { ValResult } from './engine/val/validator.js';

export { Interrupted, UserError } from './core/errors.js';
export { type LogSink, log } from './core/log.js';
export { type ProgressEvent, type ProgressSink, progress } from './core/progress.js';
export type { Box, Detection, PredictResult, RgbImage, Speed } from './core/types.js';
export type { ByteStream, SourceInput, SourceItem } from './data/program-source.js';
export type { Detector, InferOutput } from './detect/detector.js';
export type { ExportResult } from './engine/export/exporter.js';
export type { PredictSummary } from './engine/predict/observer.js';
export { describeDetections } from './engine/predict/predictor.js';
export type { MergedPrediction, MergedValidation, MergeResult } from './engine/shards/merge.js';
export type { TrackResult } from './engine/track/sequences.js';
export type { BatchReport, TrainCallbacks, TrainEpoch, TrainSummary } from './engine/train/results.js';
export type { EvaluatedImage } from './engine/val/evaluate.js';
export type { ValResult } from './engine/val/validator.js';
export { decodeImage, encodeImage } from './image/codec.js';
export { type AnnotateOptions, annotate } from './render/annotate.js';
export type { LineCount, PolygonCount, ZoneCount } from './track/zones.js';

/** The object holds the model; what is printed is the program's own business. */
type NotHere = 'model' | 'json' | 'verbose';
type Stoppable = {
  /** Aborted: what is at work ends in good order, then `Interrupted` is thrown. */
  signal?: AbortSignal;
};

/** Keys as on the command line (`yolo help predict`); everything has its default. Here `save` is false by default. */
export type PredictOptions = Omit<OptionsOf<'predict'>, NotHere | 'source' | 'device'> & Stoppable;
/** Keys as on the command line (`yolo help track`). Here `save` is false by default. */
export type TrackOptions = Omit<OptionsOf<'track'>, NotHere | 'source' | 'device'> &
  Stoppable & {
    /**
     * Goes on with the tracks and counts of the last call that had it and the same tracker and zones: the frames of one
     * video may come in several calls. Default: false, ids begin at 1 in each video.
     */
    persist?: boolean;
  };
/** Keys as on the command line (`yolo help val`). */
export type ValOptions = Omit<OptionsOf<'val'>, NotHere> & Stoppable;
/** Keys as on the command line (`yolo help train`). `resume: true` goes on with the run that this model is the last.safetensors of. */
export type TrainOptions = Omit<OptionsOf<'train'>, NotHere> & Stoppable;
/** Keys as on the command line (`yolo help merge`). */
export type MergeOptions = Omit<OptionsOf<'merge'>, 'runs' | 'json' | 'verbose'> & Stoppable;
/** Keys as on the command line (`yolo help export`). */
export type ExportOptions = Omit<OptionsOf<'export'>, NotHere> & Stoppable;
/** What a program may listen to while validating. */
export type ValCallbacks = Pick<EvaluateObserver, 'onBatch' | 'onImage'>;

export interface ModelOptions {
  /** 'auto' (default), 'cpu' or a GPU number. */
  device?: string;
  /** Half precision, where the engine has it. */
  half?: boolean;
  /**
   * Batches of concurrent `predict` calls that may wait for the network on the native engine (default 64). One more makes its
   * call throw a UserError 'queue-full'.
   */
  maxWaiting?: number;
}

/** A model: ready to predict, or a network without weights, which is to be trained first. */
export class YOLO {
  /** Detectors by the options that change the network: a second one is made only when it is asked for. */
  private detectors = new Map<string, Promise<Detector>>();
  /** Tracks that go on in the next call with `persist`. */
  private persistent: { settings: string; sequences: Sequences } | undefined;

  private constructor(
    private path: string,
    private readonly options: ModelOptions,
    private about: { names: readonly string[]; engine: string },
  ) {}

  /**
   * @param model weights (.pt, .safetensors), an exported model, the name of a released one, which is fetched, or a network
   *   without weights (yolov8n.yaml), which can be trained
   * @throws UserError when it is missing, damaged, or no detection model
   */
  static async load(model: string | URL, options: ModelOptions = {}): Promise<YOLO> {
    const path = model instanceof URL ? nameOfUrl(model) : model;
    if (isNetwork(path)) return new YOLO(path, options, await describeNetwork(path, options));
    const detector = await loadDetector(path, options);
    const yolo = new YOLO(path, options, detector);
    yolo.hold(path, detector);
    return yolo;
  }

  /** Name or path of the model; after `train` the file of the best weights. */
  get model(): string {
    return this.path;
  }

  /** Class names by index; none before a network without weights is trained. */
  get names(): readonly string[] {
    return this.about.names;
  }

  /** What runs the model, for people. */
  get engine(): string {
    return this.about.engine;
  }

  /**
   * Finds objects. Results come one by one, in order; the loop may be left at any time.
   * @param source whatever `source=` takes, a URL object, the bytes of an image or a stream of them, pixels, a list of
   *   these, or an iterable whose items are predicted as they come
   * @returns one result an image or frame; at the end (`return` value of the generator) what the run came to, with the
   *   images that could not be read
   * @throws UserError when the source is not there or an option is wrong; Interrupted after `signal`
   */
  async *predict(source: SourceInput, options: PredictOptions = {}): AsyncGenerator<PredictResult, PredictSummary> {
    const { signal, ...keys } = options;
    const config = resolveConfig('predict', this.withSource(source, keys));
    return yield* predict(config, { source, detector: await this.detectorFor(config), signal });
  }

  /**
   * Finds objects and follows them from frame to frame: every detection has the `id` of its track. Each video has tracks of
   * its own; the images of a folder or list are frames of one.
   * @param source as in `predict`
   * @throws UserError as `predict`, and for settings of the tracker and zones; Interrupted after `signal`
   */
  async *track(source: SourceInput, options: TrackOptions = {}): AsyncGenerator<TrackResult, PredictSummary> {
    const { signal, persist, ...keys } = options;
    const config = resolveConfig('track', this.withSource(source, keys));
    const detector = await this.detectorFor(config);
    return yield* track(config, { source, detector, signal, sequences: persist ? this.persist(config) : undefined });
  }

  /** Measures the model on a dataset. @throws UserError when the dataset can't be used; Interrupted after `signal` */
  async val(options: ValOptions = {}, callbacks: ValCallbacks = {}): Promise<ValResult> {
    this.requireWeights();
    const { validate } = await import('./engine/val/validator.js');
    const { signal, ...keys } = options;
    const { device, half } = this.options;
    return validate(resolveConfig('val', { device, half, ...keys, model: this.path }), {
      signal,
      observers: [callbacks],
    });
  }

  /**
   * Trains from this model's weights; an epoch a step of the loop, what was made as its return value. When it is through,
   * the object holds the best weights; without files (`save: false`) and when the loop is left early it stays as it was.
   * @throws UserError when the dataset or an option can't be used; Interrupted after `signal`, with last.safetensors written
   */
  async *train(options: TrainOptions = {}, callbacks: TrainCallbacks = {}): AsyncGenerator<TrainEpoch, TrainSummary> {
    const { train } = await import('./engine/train/trainer.js');
    const { signal, ...keys } = options;
    const resume = keys.resume === true && isCheckpoint(this.path) ? this.path : keys.resume;
    const { device } = this.options;
    const config = resolveConfig('train', { device, ...keys, resume, model: this.path });
    const summary = yield* train(config, { signal, observers: [callbacks] });
    if (summary.best !== null) {
      const detector = await loadDetector(summary.best, this.options);
      await this.dispose();
      this.hold(summary.best, detector);
    }
    return summary;
  }

  /**
   * Writes the model in another format.
   * @throws UserError when the format can't hold what is asked for; Interrupted after `signal`, with nothing written
   */
  async export(options: ExportOptions = {}): Promise<ExportResult> {
    this.requireWeights();
    const { exportModel } = await import('./engine/export/exporter.js');
    const { signal, ...keys } = options;
    const { device } = this.options;
    return exportModel(resolveConfig('export', { device, ...keys, model: this.path }), { signal });
  }

  /** Frees the memory of the network. The object can't be used afterwards. */
  async dispose(): Promise<void> {
    const detectors = [...this.detectors.values()];
    this.detectors.clear();
    for (const detector of detectors) (await detector).dispose();
  }

  private hold(path: string, detector: Detector): void {
    this.path = path;
    this.about = detector;
    this.detectors.set(keyOf(this.options.half, false), Promise.resolve(detector));
  }

  /** The keys of a prediction. @throws UserError 'no-weights' */
  private withSource(source: SourceInput, keys: Record<string, unknown>): Record<string, unknown> {
    this.requireWeights();
    keepErrors(source);
    return { save: false, ...keys, ...(typeof source === 'string' ? { source } : {}), model: this.path };
  }

  private detectorFor({ half, augment }: { half: boolean; augment: boolean }): Promise<Detector> {
    return this.detector(half || this.options.half === true, augment);
  }

  private persist(config: Parameters<typeof sequencesFor>[0]): Sequences {
    const settings = JSON.stringify([config.tracker, config.zones]);
    if (this.persistent?.settings !== settings) this.persistent = { settings, sequences: sequencesFor(config, true) };
    return this.persistent.sequences;
  }

  private requireWeights(): void {
    if (isNetwork(this.path))
      throw new UserError(
        'no-weights',
        `${this.path} describes a network without weights`,
        "train it first: for await (const epoch of yolo.train({ data: 'my.yaml' })) …",
      );
  }

  private detector(half: boolean, augment: boolean): Promise<Detector> {
    const key = keyOf(half, augment);
    let detector = this.detectors.get(key);
    if (!detector) {
      detector = loadDetector(this.path, { ...this.options, half, augment });
      this.detectors.set(key, detector);
      detector.catch(() => this.detectors.delete(key)); // told to who asked; the next one tries again
    }
    return detector;
  }
}

/**
 * Puts the results of `predict` or `val` with `shard` together, as `yolo merge` does.
 * @param runs run folders of all shards, or a pattern such as 'runs/detect/predict-shard-*'
 * @throws UserError when a shard is missing, or they differ in settings, weights or data; Interrupted after `signal`
 */
export async function mergeShards(runs: string | readonly string[], options: MergeOptions = {}): Promise<MergeResult> {
  const { mergeShards: merge } = await import('./engine/shards/merge.js');
  const { signal, ...keys } = options;
  return merge(resolveConfig('merge', { ...keys, runs: typeof runs === 'string' ? [runs] : runs }), { signal });
}

function keyOf(half: boolean | undefined, augment: boolean): string {
  return `${half === true},${augment}`;
}

function isNetwork(path: string): boolean {
  return /\.ya?ml$/i.test(path);
}

function isCheckpoint(path: string): boolean {
  return /\.safetensors$/i.test(path);
}

/** What is known of a network before it has weights. @throws UserError when it is none */
async function describeNetwork(path: string, { device }: ModelOptions): Promise<{ names: string[]; engine: string }> {
  const { parseModelYaml } = await import('./nn/model-yaml.js');
  parseModelYaml(path);
  const { selectEngine } = await import('./backend/select-engine.js');
  return { names: [], engine: (await selectEngine({ device })).description };
}
