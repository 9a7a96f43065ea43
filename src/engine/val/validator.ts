/** `yolo val`: a model over a split of a dataset, what it gets right and what it gets wrong, printed and written. */
import { join } from 'node:path';
import { dump } from 'js-yaml';
import { wasGiven } from '../../cfg/load.js';
import type { ValConfig } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';
import { checkSignals } from '../../core/interruption.js';
import { log } from '../../core/log.js';
import { announce, type Dataset, openDataset } from '../../data/dataset.js';
import type { Detector } from '../../detect/detector.js';
import { writeFileAtomic } from '../../io/files.js';
import { inputSide } from '../image-size.js';
import { loadDetector } from '../load-detector.js';
import { sideFor, withTrainedData } from '../model-defaults.js';
import { datasetOptions, evaluationOptions, tilingOptions } from '../options.js';
import { openRunDir } from '../run-dir.js';
import { type EvaluateObserver, type EvaluateOptions, type Evaluation, evaluate, measure } from './evaluate.js';
import { nameMismatch, summarizeEvaluation, ValOutput, type ValSummary } from './output.js';
import { predictionsOf } from './predictions.js';
import { cocoRows, costRows, tableHeader, tableRows } from './table.js';

/** What a validation is given besides its configuration. */
export interface ValRunOptions {
  /** Aborted: the batch ends, then `Interrupted` is thrown. */
  signal?: AbortSignal;
  /** Told what happens, after the files, plots and report of the validation. */
  observers?: readonly EvaluateObserver[];
}

/** What a validation gives. */
export interface ValResult {
  /** What `json=true` prints; also metrics.json. */
  summary: ValSummary;
  /** Everything else, for plots and programs. */
  evaluation: Evaluation;
}

/** @throws UserError when model or dataset can't be used; Interrupted after `signal` */
export async function validate(given: ValConfig, { signal, observers = [] }: ValRunOptions = {}): Promise<ValResult> {
  const tiling = tilingOptions(given);
  if (tiling) refuseRect(given);
  await checkSignals(signal);
  const asked = await withTrainedData(given, given.split);
  const dataset = await openSplit(asked, signal);
  const { device, tf32, half, augment } = asked;
  const mostLabels = dataset.images.reduce((n, { labels }) => Math.max(n, labels.length / 5), 0);
  const lossFor = asked.single_cls || tiling ? undefined : { mostLabels };
  const detector = await loadDetector(asked.model, { device, tf32, half, augment, lossFor });
  try {
    const config = { ...asked, imgsz: sideFor(asked, detector) };
    const imgsz = inputSide(config.imgsz, detector.stride);
    if (!config.single_cls) warnOfNames(detector, dataset);
    await checkSignals(signal);
    const batch = detector.fixedBatch ?? Math.max(1, config.batch);
    const options = { imgsz, batch, rect: config.rect, tiling, ...evaluationOptions(config), signal, observers };
    const { shard } = config;
    return await (shard === null
      ? validateAll(detector, dataset, config, options)
      : validateShard(detector, dataset, { ...config, shard }, options));
  } finally {
    detector.dispose();
  }
}

/** Writes and prints what a validation of all images comes to. */
async function validateAll(
  detector: Detector,
  dataset: Dataset,
  config: ValConfig,
  options: EvaluateOptions,
): Promise<ValResult> {
  const folder = openRunDir(config, 'val');
  try {
    const files = await filesOfValidation(folder.path, config, dataset, options);
    const observers = [...files, ...(options.observers ?? [])];
    const evaluation = await evaluate(detector, dataset, { ...options, observers });
    report(evaluation, config.verbose);
    log.info(`Results saved to ${folder.path}`);
    return { summary: summarizeEvaluation(evaluation, folder.path), evaluation };
  } finally {
    folder.release();
  }
}

/** Writes what `yolo merge` needs of a shard, and prints the figures of its images. */
async function validateShard(
  detector: Detector,
  dataset: Dataset,
  config: ValConfig & { data: string; shard: string },
  options: EvaluateOptions,
): Promise<ValResult> {
  const { openValShard } = await import('../shards/val-shard.js');
  const part = await openValShard(config, dataset, { batch: options.batch, engine: detector.engine });
  const { folder, shard } = part;
  try {
    const predictions = part.record(predictionsOf(detector, dataset, { ...options, shard }));
    const observers = [part, ...(options.observers ?? [])];
    const evaluation = await measure(predictions, dataset, { observers, signal: options.signal });
    report(evaluation, config.verbose);
    part.finish(evaluation);
    return { summary: { ...summarizeEvaluation(evaluation, folder.path), shard: config.shard }, evaluation };
  } finally {
    folder.release();
  }
}

/** How the files of a validation are written. */
interface FileOptions {
  /** Images of a batch. */
  batch: number;
  /** That ran the model; default: the one of this process. */
  engine?: string;
  /** Labels and drawings of single images; false: they are there already. Default: true. */
  imageFiles?: boolean;
}

/** Writes args.yaml. @returns what writes the other files of a validation */
export async function filesOfValidation(
  dir: string,
  config: ValConfig,
  dataset: Dataset,
  { batch, engine, imageFiles = true }: FileOptions,
): Promise<EvaluateObserver[]> {
  writeFileAtomic(join(dir, 'args.yaml'), dump({ ...config }));
  const { save_txt, visualize } = config;
  const perImage = imageFiles ? { save_txt, visualize } : { save_txt: false, visualize: false };
  const output = new ValOutput(dir, { ...config, ...perImage }, dataset.names);
  if (!config.plots) return [output];
  // Loaded only where they are wanted.
  const { ValPlots } = await import('../report/plots.js');
  const { ValReport } = await import('../report/val-report.js');
  return [output, new ValPlots(dir, dataset.names, batch), new ValReport(dir, config, dataset, engine)];
}

/** Tiles are squares, and an image that is not larger than a tile is padded to the same square. */
function refuseRect(config: ValConfig): void {
  if (!config.rect || !wasGiven(config, 'rect')) return;
  throw new UserError('bad-value', 'rect=true has no meaning in validation with tile', 'leave rect or tile out');
}

/** Opens the split of the dataset, and says what is in it. */
export async function openSplit(config: ValConfig & { data: string }, signal?: AbortSignal): Promise<Dataset> {
  const dataset = await openDataset(config.data, config.split, {
    ...datasetOptions(config),
    signal,
  });
  announce(dataset, config.data);
  if (!dataset.counts.instances)
    log.warn(
      `no labels in the '${config.split}' split: every figure will be 0; labels are looked for as ${dataset.images[0].labelFile}`,
    );
  return dataset;
}

function warnOfNames(detector: Detector, dataset: Dataset): void {
  const difference = nameMismatch(detector.names, dataset);
  if (!difference) return;
  if (detector.names.length < dataset.names.length || detector.names.length > dataset.names.length)
    throw new UserError(
      'class-mismatch',
      `${difference}: the figures would compare different things`,
      'validate with a model that was trained on these classes, or give single_cls=true to judge the boxes alone',
    );
  log.warn(`${difference}; classes are compared by number`);
}

/** Prints the figures. */
export function report(evaluation: Evaluation, verbose: boolean): void {
  log.info(tableHeader());
  for (const line of tableRows(evaluation, verbose)) log.info(line);
  const { preprocess, inference, postprocess } = evaluation.speed;
  const ms = (value: number): string => `${value.toFixed(1)}ms`;
  for (const line of cocoRows(evaluation)) log.info(line);
  if (verbose) {
    log.info('What mistakes cost in mAP50:');
    for (const line of costRows(evaluation)) log.info(line);
  }
  if (evaluation.loss)
    log.info(`Loss: ${['box', 'cls', 'dfl'].map((term, i) => `${term} ${evaluation.loss![i].toFixed(4)}`).join(', ')}`);
  log.info(`Speed: ${ms(preprocess)} preprocess, ${ms(inference)} inference, ${ms(postprocess)} postprocess per image`);
}
