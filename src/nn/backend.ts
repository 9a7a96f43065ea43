/**
 * The choice of the engine that computes: native TensorFlow where the set-up built it, else the binary that tfjs-node-gpu
 * fetched itself, else WebAssembly, which predicts and validates but cannot train (its package has no gradient kernels).
 */
import { availableParallelism } from 'node:os';
import { isClone, lastFailure, setupCommand } from '../../bin/setup/paths.mjs';
import { messageOf, UserError } from '../core/errors.js';
import { type DeviceWish, findNvidia, readDevice } from './gpu.js';
import { nativeInfo, useNative, usePackageBinary } from './native.js';
import { useWasm } from './wasm.js';

/** The engine in use. */
export interface Engine {
  /** tfjs-core's name of the backend. */
  name: 'tensorflow' | 'wasm';
  /** For people: 'TensorFlow 2.21.0 (CPU, 2 threads)'. */
  description: string;
  threads: number;
  canTrain: boolean;
  /** Why a better engine is not in use; absent when this is the best one. */
  why?: string;
  /** What would make it faster. */
  faster?: string;
}

export interface EngineOptions {
  /** auto, cpu, or a GPU (0, cuda:0 …). */
  device?: string | number | null;
  /** Threads to compute with; default: all cores of this process. Heeded by the first call of a process. */
  threads?: number;
}

let chosen: Promise<Engine> | undefined;

/**
 * Starts the engine; the first call of a process chooses, later ones get the same. YOLO_ENGINE=wasm or tensorflow leaves
 * no choice.
 * @throws UserError when `device` names what no engine here can use
 */
export async function selectEngine(options: EngineOptions = {}): Promise<Engine> {
  const wish = readDevice(options.device);
  chosen ??= start(wish, options.threads);
  try {
    const engine = await chosen;
    if (wish === 'gpu' && !nativeInfo()?.gpu) refuseGpu(options.device, engine);
    return engine;
  } catch (error) {
    if (!(error instanceof UserError)) chosen = undefined;
    throw error;
  }
}

/** One line for people: which engine runs, why not a better one, and what would make it faster. */
export function describeEngine(engine: Engine): string {
  const limits = engine.canTrain ? '' : ', predicts and validates but cannot train';
  const why = engine.why ? `, because ${engine.why}` : '';
  return `Engine: ${engine.description}${limits}${why}.${engine.faster ? ` Faster: ${engine.faster}.` : ''}`;
}

/** @throws UserError when the engine cannot train */
export function requireTraining(engine: Engine): void {
  if (engine.canTrain) return;
  throw new UserError(
    'cannot-train',
    `training needs the native TensorFlow engine; ${engine.description} runs here${engine.why ? `, because ${engine.why}` : ''}`,
    `To train: ${engine.faster ?? setupCommand}.`,
    1,
  );
}

async function start(wish: DeviceWish, threads?: number): Promise<Engine> {
  const cores = threads ?? availableParallelism();
  const forced = process.env.YOLO_ENGINE;
  if (forced && forced !== 'wasm' && forced !== 'tensorflow') {
    throw new UserError('bad-engine', `YOLO_ENGINE=${forced}: expected wasm or tensorflow`);
  }
  if (forced === 'wasm') return startWasm(cores, { why: 'YOLO_ENGINE=wasm asks for it' });
  if (wish === 'cpu') process.env.CUDA_VISIBLE_DEVICES = '-1';
  if (threads) process.env.TF_NUM_INTRAOP_THREADS = String(threads);
  let problem: string | undefined;
  for (const use of [useNative, usePackageBinary]) {
    const result = await tryNative(use);
    if (result === 'running') return describeNative(cores);
    problem ??= result;
  }
  const reason = whyNotNative(problem);
  if (forced) throw new UserError('no-engine', `the native engine is not there: ${reason.why}`, reason.faster, 1);
  return startWasm(cores, reason);
}

/** @returns 'running', undefined when it is not there, or why it would not load */
async function tryNative(use: () => Promise<boolean>): Promise<string | undefined> {
  try {
    return (await use()) ? 'running' : undefined;
  } catch (error) {
    return messageOf(error).split('\n')[0];
  }
}

function describeNative(threads: number): Engine {
  const { version, gpu } = nativeInfo()!;
  const model = gpu ? undefined : findNvidia();
  return {
    name: 'tensorflow',
    description: `TensorFlow ${version} (${gpu ? 'GPU' : `CPU, ${countThreads(threads)}`})`,
    threads,
    canTrain: true,
    why: model && `the ${model} of this machine is not used: this engine computes on the CPU`,
  };
}

async function startWasm(threads: number, reason: { why: string; faster?: string }): Promise<Engine> {
  const got = await useWasm(threads);
  return { name: 'wasm', description: `WebAssembly (${countThreads(got)})`, threads: got, canTrain: false, ...reason };
}

/** Why there is no native engine, and the remedy. */
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

function refuseGpu(device: EngineOptions['device'], engine: Engine): never {
  const model = findNvidia(true);
  throw new UserError(
    'no-gpu',
    model
      ? `device=${device}: the ${model} cannot be used by this engine, ${engine.description}`
      : `device=${device}: this machine shows no NVIDIA GPU`,
    'Use device=cpu, or leave device out.',
  );
}

function countThreads(n: number): string {
  return `${n} thread${n === 1 ? '' : 's'}`;
}
