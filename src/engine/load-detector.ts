/**
 * Finds out what kind of model a name means and loads it, with the fastest engine of this machine. What a kind needs is
 * imported only then: TensorFlow is not loaded for a model that something else runs.
 */
import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import type { Detector } from '../nn/detector.js';

export interface LoadOptions {
  /** 'auto', 'cpu' or a GPU number. Default: 'auto'. */
  device?: string;
  /** Half precision in the network, where the engine has it. */
  half?: boolean;
  /** Detects at three scales and merges (TTA). */
  augment?: boolean;
}

/**
 * @param model weights (.pt, .safetensors), an .onnx file, or the name of a released model (yolov8n.pt), which is fetched
 * @throws UserError when it is missing, damaged, or no detection model
 */
export async function loadDetector(model: string, options: LoadOptions = {}): Promise<Detector> {
  if (/\.ya?ml$/i.test(model)) {
    const hint = 'give trained weights, e.g. yolov8n.pt';
    throw new UserError('no-weights', `${model} describes a network without weights`, hint);
  }
  if (/\.onnx$/i.test(model)) return loadOnnx(model, options);
  return loadNetwork(model, options);
}

/** An ONNX file, run by onnxruntime-node. */
async function loadOnnx(model: string, { half, augment }: LoadOptions): Promise<Detector> {
  if (half || augment) {
    const what = half ? 'half' : 'augment';
    throw new UserError(
      'unused-setting',
      `${what}=true has no meaning for ${model}`,
      `an exported model runs as it was exported; give weights (.pt) for ${what}=true`,
    );
  }
  const { createOnnxDetector } = await import('../nn/onnx-detector.js');
  return createOnnxDetector(model);
}

/** Weights, run by this project's own network. */
async function loadNetwork(model: string, { device = 'auto', half = false, augment = false }: LoadOptions) {
  // Reading the weights takes a while: the engine starts meanwhile.
  const backend = import('../nn/backend.js');
  const starting = backend.then(({ selectEngine }) => selectEngine({ device }));
  starting.catch(() => {}); // a missing model is told before an engine that doesn't start
  const { loadCheckpoint, resolveModelPath } = await import('../nn/weights.js');
  const checkpoint = await loadCheckpoint(await resolveModelPath(model));
  const engine = await starting;
  if (engine.why) log.info((await backend).describeEngine(engine));
  const { createDetector } = await import('../nn/infer.js');
  return createDetector(checkpoint, { half, augment, engine: engine.description, where: model });
}
