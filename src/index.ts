/**
 * The Node API. The command uses the same functions (src/engine), so both do the same.
 *
 * ```ts
 * import { YOLO } from 'yolov8-tfjs';
 * const yolo = await YOLO.load('yolov8n.pt');
 * for await (const { path, detections } of yolo.predict('pictures/', { conf: 0.4 })) {
 *   for (const { name, confidence, box } of detections) console.log(path, name, confidence, box);
 * }
 * ```
 */
import { resolveConfig } from './cfg/load.js';
import type { ExportConfig, PredictConfig, TrainConfig, ValConfig } from './cfg/schema.js';
import type { PredictResult } from './core/types.js';
import type { SourceInput } from './data/source-list.js';
import type { ExportResult } from './engine/exporter.js';
import { loadDetector } from './engine/load-detector.js';
import { type PredictSummary, predict } from './engine/predictor.js';
import type { TrainEpoch, TrainHooks, TrainSummary } from './engine/trainer.js';
import type { ValHooks, ValResult } from './engine/validator.js';
import type { Detector } from './nn/detector.js';

export { UserError } from './core/errors.js';
export { type LogSink, log } from './core/log.js';
export type { Box, Detection, PredictResult, RgbImage, Speed } from './core/types.js';
export type { SourceInput } from './data/source-list.js';
export type { ExportResult } from './engine/exporter.js';
export { describeDetections, type PredictSummary } from './engine/predictor.js';
export type { TrainEpoch, TrainHooks, TrainSummary } from './engine/trainer.js';
export type { ValHooks, ValResult } from './engine/validator.js';
export { decodeImage, encodeImage } from './io/image.js';
export type { Detector, InferOutput } from './nn/detector.js';
export { type AnnotateOptions, annotate } from './render/annotate.js';

type Common = 'task' | 'mode' | 'model' | 'json' | 'verbose';

/** Keys as on the command line (`yolo help predict`); everything has its default. Here `save` is false by default. */
export type PredictOptions = Partial<Omit<PredictConfig, Common | 'source' | 'device'>> & { signal?: AbortSignal };
/** Keys as on the command line (`yolo help val`). */
export type ValOptions = Partial<Omit<ValConfig, Common>>;
/** Keys as on the command line (`yolo help train`). */
export type TrainOptions = Partial<Omit<TrainConfig, Common>>;
/** Keys as on the command line (`yolo help export`). */
export type ExportOptions = Partial<Omit<ExportConfig, Common>>;

export interface ModelOptions {
  /** 'auto' (default), 'cpu' or a GPU number. */
  device?: string;
  /** Half precision, where the engine has it. */
  half?: boolean;
}

/** A model that is loaded and ready to predict. */
export class YOLO {
  /** Detectors by the options that change the network: a second one is made only when it is asked for. */
  private readonly detectors = new Map<string, Promise<Detector>>();

  private constructor(
    /** Name or path of the model. */
    readonly model: string,
    private readonly options: ModelOptions,
    private readonly first: Detector,
  ) {
    this.detectors.set(keyOf(options.half, false), Promise.resolve(first));
  }

  /**
   * @param model weights (.pt, .safetensors), an exported model, or the name of a released one, which is fetched
   * @throws UserError when it is missing, damaged, or no detection model
   */
  static async load(model: string, options: ModelOptions = {}): Promise<YOLO> {
    return new YOLO(model, options, await loadDetector(model, options));
  }

  /** Class names by index. */
  get names(): readonly string[] {
    return this.first.names;
  }

  /** What runs the model, for people. */
  get engine(): string {
    return this.first.engine;
  }

  /**
   * Finds objects. Results come one by one, in order; the loop may be left at any time.
   * @param source whatever `source=` takes, the bytes of a picture, pixels, or a list of these
   * @returns one result a picture or frame; at the end (`return` value of the generator) what the run came to, with the
   *   pictures that could not be read
   * @throws UserError when the source is not there or an option is wrong
   */
  async *predict(source: SourceInput, options: PredictOptions = {}): AsyncGenerator<PredictResult, PredictSummary> {
    const { signal, ...keys } = options;
    const named = typeof source === 'string' ? { source } : {};
    const config = resolveConfig('predict', { save: false, ...keys, ...named, model: this.model });
    const detector = await this.detector(config.half || this.options.half === true, config.augment);
    return yield* predict(config, { source, detector, signal });
  }

  /** Measures the model on a dataset. @throws UserError when the dataset can't be used */
  async val(options: ValOptions = {}, hooks: ValHooks = {}): Promise<ValResult> {
    const { validate } = await import('./engine/validator.js');
    return validate(resolveConfig('val', { ...this.options, ...options, model: this.model }), hooks);
  }

  /**
   * Trains from this model's weights; an epoch a step of the loop, what was made as its return value.
   * @throws UserError when the dataset or an option can't be used
   */
  async *train(options: TrainOptions = {}, hooks: TrainHooks = {}): AsyncGenerator<TrainEpoch, TrainSummary> {
    const { train } = await import('./engine/trainer.js');
    const { device } = this.options;
    return yield* train(resolveConfig('train', { device, ...options, model: this.model }), hooks);
  }

  /** Writes the model in another format. @throws UserError when the format can't hold what is asked for */
  async export(options: ExportOptions = {}): Promise<ExportResult> {
    const { exportModel } = await import('./engine/exporter.js');
    return exportModel(resolveConfig('export', { ...options, model: this.model }));
  }

  /** Frees the memory of the network. The object can't be used afterwards. */
  async dispose(): Promise<void> {
    for (const detector of this.detectors.values()) (await detector).dispose();
    this.detectors.clear();
  }

  private detector(half: boolean, augment: boolean): Promise<Detector> {
    const key = keyOf(half, augment);
    let detector = this.detectors.get(key);
    if (!detector) {
      detector = loadDetector(this.model, { ...this.options, half, augment });
      this.detectors.set(key, detector);
    }
    return detector;
  }
}

function keyOf(half: boolean | undefined, augment: boolean): string {
  return `${half === true},${augment}`;
}
