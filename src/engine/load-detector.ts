/**
 * Finds out what kind of model a name means and loads it, with the fastest engine of this machine. What a kind needs is
 * imported only then: TensorFlow is not loaded for a model that something else runs.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from '../backend/select-engine.js';
import { refuseLongNames } from '../core/class-names.js';
import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import type { Checkpoint } from '../core/types.js';
import type { Detector } from '../detect/detector.js';
import { isUrl } from '../io/fetch.js';
import { fetchModel, findModelFile } from '../io/model-files.js';
import { trainedWith } from '../nn/trained.js';

/** How a model is run. */
export interface LoadOptions {
  /** 'auto', 'cpu' or a GPU number. Default: 'auto'. */
  device?: string;
  /** On a GPU: convolutions may round to TF32. Default: true. */
  tf32?: boolean;
  /** Half precision in the network, where the engine has it. */
  half?: boolean;
  /** Detects at three scales and merges (TTA). */
  augment?: boolean;
  /** Calls that may wait for the network's native session; one more is refused. Default: 64. */
  maxWaiting?: number;
  /** Several calls at the same time, each on a part of the cores, where the engine can: for many images, in a process of their own. */
  manyRuns?: boolean;
  /** Also gives the validation loss, where the native engine runs the network in float32; most labels of an image. */
  lossFor?: { mostLabels: number };
}

/**
 * @param name weights (.pt, .safetensors), an .onnx file, an exported folder (x_web_model, x_saved_model), or the name of a
 *   released model (yolov8n.pt, yolov8n) or an address, which are fetched
 * @throws UserError when it is missing, damaged, or no detection model
 */
export async function loadDetector(name: string, options: LoadOptions = {}): Promise<Detector> {
  const model = isUrl(name) ? (findModelFile(name) ?? (await fetchModel(name))) : name;
  const detector = await load(model, options);
  try {
    refuseLongNames(detector.names, model, 'bad-model');
    return detector;
  } catch (error) {
    detector.dispose();
    throw error;
  }
}

async function load(model: string, options: LoadOptions): Promise<Detector> {
  if (/\.ya?ml$/i.test(model)) {
    const hint = 'give trained weights, e.g. yolov8n.pt';
    throw new UserError('no-weights', `${model} describes a network without weights`, hint);
  }
  if (/\.onnx$/i.test(model)) return loadOnnx(model, options);
  if (isFolder(model) || /\b(model\.json|saved_model\.pb)$/.test(model)) return loadFolder(model, options);
  return loadNetwork(model, options);
}

/** An ONNX file, run by onnxruntime-node. */
async function loadOnnx(model: string, options: LoadOptions): Promise<Detector> {
  refuseUnused(model, options);
  const { createOnnxDetector } = await import('../detect/detectors/onnx.js');
  return createOnnxDetector(model);
}

/** An exported folder (or the file in it that counts), run by the engine of this machine. */
async function loadFolder(model: string, options: LoadOptions): Promise<Detector> {
  refuseUnused(model, options);
  const has = (name: string) => model.endsWith(name) || existsSync(join(model, name));
  const kind = has('model.json') ? 'tfjs' : has('saved_model.pb') ? 'saved_model' : undefined;
  if (!kind)
    throw new UserError(
      'wrong-model',
      `${model} is a folder with neither model.json (TensorFlow.js) nor saved_model.pb in it`,
      'give a model file, or a folder that format=tfjs or format=saved_model wrote',
    );
  const { selectEngine } = await import('../backend/select-engine.js');
  const { description } = await selectEngine({ device: options.device, tf32: options.tf32 });
  if (kind === 'tfjs') {
    const { createTfjsDetector } = await import('../detect/detectors/tfjs.js');
    return createTfjsDetector(model, `TensorFlow.js GraphModel on ${description}`);
  }
  const { createSavedModelDetector } = await import('../detect/detectors/saved-model.js');
  return createSavedModelDetector(model, `SavedModel on ${description}`);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function refuseUnused(model: string, { half, augment }: LoadOptions): void {
  if (!half && !augment) return;
  const what = half ? 'half' : 'augment';
  throw new UserError(
    'unused-setting',
    `${what}=true has no meaning for ${model}`,
    `an exported model runs as it was exported; give weights (.pt) for ${what}=true`,
  );
}

/** Weights, run by this project's own network. */
async function loadNetwork(model: string, options: LoadOptions): Promise<Detector> {
  const { device = 'auto', tf32, half = false, augment = false, maxWaiting, manyRuns, lossFor } = options;
  // Reading the weights takes a while: the engine starts meanwhile.
  const backend = import('../backend/select-engine.js');
  const starting = backend.then(({ selectEngine }) =>
    selectEngine({ device, tf32, manyRuns, onednn: !!lossFor && !half && !augment }),
  );
  starting.catch(() => {}); // a missing model is told before an engine that doesn't start
  const { loadCheckpoint, resolveModelPath } = await import('../nn/weights.js');
  const checkpoint = await loadCheckpoint(await resolveModelPath(model));
  const { warnNonFinite } = await import('../nn/finite.js');
  warnNonFinite(checkpoint.weights, model);
  const engine = await starting;
  if (engine.why) log.info((await backend).describeEngine(engine));
  if (half && engine.name === 'tensorflow') await warnOfHalf(engine);
  const { description, atOnce } = engine;
  const { createDetector } = await import('../detect/detectors/network.js');
  const detector: Detector =
    lossFor && engine.canTrain && !half && !augment
      ? await withLoss(checkpoint, description, lossFor.mostLabels)
      : await createDetector(checkpoint, { half, augment, maxWaiting, atOnce, engine: description, where: model });
  detector.trained = trainedWith(checkpoint.trainArgs);
  return detector;
}

/** TensorFlow emulates bfloat16 where there are no instructions for it. */
async function warnOfHalf(engine: Engine): Promise<void> {
  const { lacksBfloat16 } = await import('../backend/bfloat16.js');
  if (!lacksBfloat16(engine)) return;
  log.warn(`half=true: this ${engine.gpu ? 'GPU' : 'processor'} has no bfloat16 instructions; float32 is faster`);
}

/** Gains of the loss where the checkpoint doesn't tell those that it was trained with. */
const DEFAULT_GAINS = { box: 7.5, cls: 0.5, dfl: 1.5 };

async function withLoss(checkpoint: Checkpoint, engine: string, mostLabels: number): Promise<Detector> {
  const { DetectorWithLoss } = await import('./val/detector-with-loss.js');
  const { buildNetwork } = await import('../nn/model.js');
  const { specOf } = await import('../nn/weights.js');
  const trained = Object.entries(DEFAULT_GAINS).map(([key, gain]) => [
    key,
    Number(checkpoint.trainArgs?.[key] ?? gain),
  ]);
  const gains = Object.fromEntries(trained) as typeof DEFAULT_GAINS;
  const detector = new DetectorWithLoss(
    buildNetwork(specOf(checkpoint)),
    checkpoint.names,
    { gains, mostLabels },
    engine,
  );
  detector.setWeights(checkpoint.weights);
  return detector;
}
