/**
 * Selection of the engine: native TensorFlow sessions where the set-up has built them; otherwise TensorFlow.js, which can
 * predict and validate but not train, on the binary of tfjs-node-gpu's install script or on WebAssembly.
 */
import { availableParallelism } from 'node:os';
import { gpuSetupCommand } from '../../bin/setup/gpu-paths.mjs';
import { isClone, lastFailure, setupCommand } from '../../bin/setup/paths.mjs';
import { messageOf, UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import { Session } from '../graph/session.js';
import { loadedTensorflow, loadTensorflow, type TensorflowFiles, tensorflowFiles } from '../graph/tensorflow.js';
import { type Device, readDevice } from './device.js';
import { findGpu, type Gpu, gpuFiles, type NoGpu, wantsGpu } from './gpu.js';
import { decideOnednn } from './onednn.js';

/** The engine in use. */
export interface Engine {
  /** Name of the backend in tfjs-core. */
  name: 'tensorflow' | 'wasm';
  /** For messages: 'TensorFlow 2.21.0 (CPU, 2 threads)'. */
  description: string;
  threads: number;
  canTrain: boolean;
  /** Why a faster engine is not in use; undefined for the fastest one. */
  why?: string;
  /** How to get a faster engine. */
  faster?: string;
  /** Number of runs of a network to execute at the same time. Undefined: 1. */
  atOnce?: number;
  /** The GPU in use. */
  gpu?: Gpu;
  /** Why no GPU is used, if one was searched for. */
  noGpu?: NoGpu;
}

/** Options of the engine. */
export interface EngineOptions {
  /** auto, cpu, or a GPU (0, cuda:0 …). */
  device?: string | number | null;
  /** Number of threads, used by the first call in a process. Default: all cores available to the process. */
  threads?: number;
  /**
   * Several runs of a network at the same time, each op with a part of the threads: more images per second, of which each takes
   * longer. Used by the first call in a process. Default: false.
   */
  manyRuns?: boolean;
  /** On a GPU: only deterministic kernels. Default: false. */
  deterministic?: boolean;
  /** On a GPU: convolutions may round their operands to TF32. Default: true. */
  tf32?: boolean;
  /** For training and for validation with weights, see onednn.ts. Used by the first call in a process. Default: false. */
  onednn?: boolean;
}

/** Each run at the same time needs memory for its feature maps. */
const MAX_PARTS = 4;

let chosen: Promise<Engine> | undefined;

/**
 * Starts the engine. The first call in a process selects it, later calls return the same. YOLO_ENGINE=wasm or tensorflow
 * forces one.
 * @throws UserError as readDevice; 'no-gpu' when the GPU cannot be used, 'device-chosen' when another device is in use,
 *   'bad-engine', 'no-engine' for YOLO_ENGINE
 */
export async function selectEngine(options: EngineOptions = {}): Promise<Engine> {
  const device = readDevice(options.device);
  chosen ??= start(device, options).catch((error) => {
    chosen = undefined; // no engine was started: another call may select another one
    throw error;
  });
  const engine = await chosen;
  const fits = device === 'auto' || (device === 'cpu' ? !engine.gpu : engine.gpu?.index === device.gpu);
  if (fits) return engine;
  const message = `device=${options.device}: this process computes with ${engine.description} already`;
  throw new UserError('device-chosen', message, 'Use another process.');
}

/** One line for messages: the engine in use, why it is not a faster one, and how to get that. */
export function describeEngine(engine: Engine): string {
  const limits = engine.canTrain ? '' : ', predicts and validates but cannot train';
  const why = engine.why ? `, because ${engine.why}` : '';
  return `Engine: ${engine.description}${limits}${why}.${engine.faster ? ` Faster: ${engine.faster}.` : ''}`;
}

/** @throws UserError 'cannot-train' when the engine cannot train */
export function requireTraining(engine: Engine): void {
  if (engine.canTrain) return;
  throw new UserError(
    'cannot-train',
    `training needs the native TensorFlow engine; ${engine.description} runs here${engine.why ? `, because ${engine.why}` : ''}`,
    `To train: ${engine.faster ?? setupCommand}.`,
    1,
  );
}

async function start(
  device: Device,
  { threads, deterministic = false, tf32 = true, manyRuns = false, onednn = false }: EngineOptions,
): Promise<Engine> {
  const cores = threads ?? availableParallelism();
  const forced = process.env.YOLO_ENGINE;
  if (forced && forced !== 'wasm' && forced !== 'tensorflow') {
    throw new UserError('bad-engine', `YOLO_ENGINE=${forced}: expected wasm or tensorflow`);
  }
  if (forced === 'wasm') return startWasm(cores, { why: 'YOLO_ENGINE=wasm asks for it' });
  if (threads) process.env.TF_NUM_INTRAOP_THREADS = String(threads);
  const gpu = await startGpu(device, { deterministic, tf32 });
  if ('name' in gpu) return gpu;
  if (typeof device === 'object' && gpu.why) {
    const hint = `To use a GPU: ${gpu.remedy}. Without one: device=cpu, or leave device out.`;
    throw new UserError('no-gpu', `device=${device.gpu}: ${gpu.why}`, hint);
  }
  if (!loadedTensorflow()) process.env.CUDA_VISIBLE_DEVICES = '-1';
  decideOnednn(onednn);
  const divided = manyRuns ? divideThreads(cores) : undefined;
  const result = tryNative(tensorflowFiles());
  if (result === 'running') return { ...describeNative(cores, gpu), atOnce: divided?.atOnce };
  divided?.undo();
  const reason = whyNotNative(result);
  const eager = await startPackageBinary(cores, reason);
  if (eager) return eager;
  if (forced) throw new UserError('no-engine', `the native engine is not there: ${reason.why}`, reason.faster, 1);
  return startWasm(cores, reason);
}

/**
 * Gives each op a part of the threads. Ops that are divided among all cores wait for the slowest part, which is the one on a core
 * that decodes an image meanwhile; whole runs side by side do not.
 * @returns number of runs to execute at the same time, one more than fit, so that none of the parts waits for the next run
 */
function divideThreads(cores: number): { atOnce: number; undo(): void } | undefined {
  const parts = Math.min(cores, MAX_PARTS);
  if (parts === 1 || process.env.TF_NUM_INTRAOP_THREADS) return undefined;
  return { atOnce: parts + 1, undo: setEnvironment({ TF_NUM_INTRAOP_THREADS: String(Math.ceil(cores / parts)) }) };
}

/** Starts TensorFlow on a GPU. @returns the engine, or the reason why not; {} when no GPU is searched for */
async function startGpu(
  device: Device,
  { deterministic, tf32 }: Required<Pick<EngineOptions, 'deterministic' | 'tf32'>>,
): Promise<Engine | Partial<NoGpu>> {
  if (device === 'cpu' || (device === 'auto' && !wantsGpu())) return {};
  const gpu = findGpu(device === 'auto' ? 0 : device.gpu);
  if ('why' in gpu) return gpu;
  if (gpu.caution && device === 'auto') return { why: gpu.caution, remedy: `device=${gpu.index} tries it` };
  if (gpu.caution) log.warn(`device=${gpu.index}: ${gpu.caution}`);
  const undo = setEnvironment({
    TF_DETERMINISTIC_OPS: deterministic ? '1' : undefined,
    NVIDIA_TF32_OVERRIDE: tf32 ? undefined : '0',
  });
  const result = tryNative(gpuFiles());
  if (result === 'running' && seesGpu()) {
    const memory = `${(gpu.memory / 2 ** 30).toFixed(1)} GiB`;
    const description = `TensorFlow ${loadedTensorflow()!.version} (GPU ${gpu.index}: ${gpu.name}, ${memory})`;
    return { name: 'tensorflow', description, threads: availableParallelism(), canTrain: true, gpu };
  }
  undo();
  const report = 'report this with the output of "yolo checks gpu"';
  if (result === 'running')
    return { why: `TensorFlow cannot use the ${gpu.name} that the driver shows`, remedy: report };
  const why = `the GPU engine does not load: ${result ?? 'the native engine is not set up'}`;
  return { why, remedy: `${gpuSetupCommand}, or ${report}` };
}

/** Sets environment variables that the user has not set. @returns a function that removes them */
function setEnvironment(variables: Record<string, string | undefined>): () => void {
  const names = Object.keys(variables).filter((name) => variables[name] !== undefined && !(name in process.env));
  for (const name of names) process.env[name] = variables[name];
  return () => {
    for (const name of names) delete process.env[name];
  };
}

/** @returns 'running', undefined when it is not set up, or the reason why it cannot be loaded */
function tryNative(files: TensorflowFiles | undefined): string | undefined {
  if (!files) return undefined;
  try {
    loadTensorflow(files);
    return 'running';
  } catch (error) {
    return messageOf(error).split('\n')[0];
  }
}

/** Whether TensorFlow has a GPU among its devices. */
function seesGpu(): boolean {
  const session = Session.open();
  try {
    return session.devices().some(({ type }) => type === 'GPU');
  } finally {
    session.close();
  }
}

/** Starts TensorFlow.js on the binary of tfjs-node-gpu. @returns undefined when it is absent or cannot be loaded */
async function startPackageBinary(
  threads: number,
  reason: { why: string; faster?: string },
): Promise<Engine | undefined> {
  const { usePackageBinary } = await import('./tfjs-node.js');
  const version = await usePackageBinary().catch(() => undefined);
  if (!version) return undefined;
  const description = `TensorFlow ${version} of tfjs-node-gpu (CPU, ${countThreads(threads)})`;
  return { name: 'tensorflow', description, threads, canTrain: false, ...reason };
}

function describeNative(threads: number, { why, remedy }: Partial<NoGpu>): Engine {
  return {
    name: 'tensorflow',
    description: `TensorFlow ${loadedTensorflow()!.version} (CPU, ${countThreads(threads)})`,
    threads,
    canTrain: true,
    ...(why && { why: `the GPU is not used: ${why}`, faster: remedy, noGpu: { why, remedy: remedy! } }),
  };
}

async function startWasm(threads: number, reason: { why: string; faster?: string }): Promise<Engine> {
  const { useWasm } = await import('./wasm.js');
  const got = await useWasm(threads);
  return { name: 'wasm', description: `WebAssembly (${countThreads(got)})`, threads: got, canTrain: false, ...reason };
}

/** Why the native engine is not in use, and the remedy. */
function whyNotNative(loadError: string | undefined): { why: string; faster: string } {
  if (loadError) {
    return {
      why: `the native engine does not load (${loadError})`,
      faster: `${setupCommand}${isClone ? '' : ' force'}`,
    };
  }
  const failure = lastFailure();
  if (failure) return { why: failure.why, faster: failure.faster };
  return { why: 'the native engine is not set up', faster: `run "${setupCommand}" once` };
}

function countThreads(n: number): string {
  return `${n} thread${n === 1 ? '' : 's'}`;
}
