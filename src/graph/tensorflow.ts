/**
 * TensorFlow in this process: the addon of native/session over TensorFlow's libraries, which it opens by their full paths.
 * The first load of a process decides which libraries these are.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { engineDir, setupCommand, tensorflowLibraries } from '../../bin/setup/paths.mjs';
import { UserError } from '../core/errors.js';

const require = createRequire(import.meta.url);

/** What is loaded, by full paths. */
export interface TensorflowFiles {
  /** The addon of native/session. */
  session: string;
  /** TensorFlow's shared libraries, each after those that it needs. */
  libraries: string[];
  /** Addons that register ops of our own (native/fused). */
  ops: string[];
  /** Graphs are to run on a GPU. */
  gpu?: boolean;
}

export interface Tensorflow extends TensorflowFiles {
  /** Version of TensorFlow, e.g. 2.21.0. */
  version: string;
}

/** Handles of the addon's C++ objects; JavaScript only passes them on. */
type Handle = { readonly handle: unique symbol };

interface NativeType {
  dtype: number;
  shape: number[] | null;
}

interface NativeTensor {
  dtype: number;
  shape: number[];
  buffer: ArrayBuffer;
}

/** Functions of native/session/addon.cc. Element types go by their numbers (TYPE_NUMBER). */
export interface NativeSessions {
  load(libraries: string[]): { version: string; messages: string };
  open(config: Uint8Array, target: string): Handle;
  close(session: Handle): void;
  add(session: Handle, graphDef: Uint8Array, prefix: string, device: string): void;
  plan(
    session: Handle,
    feeds: readonly string[],
    fetches: readonly string[],
    targets: readonly string[],
  ): { plan: Handle; feeds: NativeType[] };
  /** Copies what is fed. The run that it gives is for one use: run, runApart or discard. */
  prepare(plan: Handle, types: number[], shapes: (readonly number[])[], values: ArrayBufferView[]): Handle;
  run(run: Handle): NativeTensor[];
  runApart(run: Handle): Promise<NativeTensor[]>;
  discard(run: Handle): void;
  devices(session: Handle): { name: string; type: string; memory: number }[];
  kernels(op: string): ArrayBuffer;
  ops(): ArrayBuffer;
  /** Waits a little for runs under way: the process must not end under them. */
  finish(): void;
}

export type { Handle, NativeTensor };

/** TensorFlow says these whatever TF_CPP_MIN_LOG_LEVEL is; they tell the user nothing. */
const CHATTER = /All log messages before absl::InitializeLog|oneDNN custom operations are on|^\s*$/;

let loaded: { addon: NativeSessions; tensorflow: Tensorflow } | undefined;

/** What the set-up left in this folder, or undefined when there is nothing. */
export function tensorflowFiles(dir: string = engineDir()): TensorflowFiles | undefined {
  const session = join(dir, 'session.node');
  if (!existsSync(session)) return undefined;
  const ops = [join(dir, 'fused.node')].filter((file) => existsSync(file));
  return { session, libraries: tensorflowLibraries(), ops };
}

/**
 * Loads TensorFlow and the ops of our own; does nothing when that was done.
 * @throws UserError where it is not set up; what the loader says when it is there and does not load (another C library, say)
 */
export function loadTensorflow(files: TensorflowFiles | undefined = tensorflowFiles()): Tensorflow {
  if (loaded) return loaded.tensorflow;
  if (!files) throw new UserError('no-engine', 'TensorFlow is not set up', `run: ${setupCommand}`, 1);
  const addon: NativeSessions = require(files.session);
  const { version, messages } = addon.load(files.libraries);
  for (const line of messages.split('\n')) {
    if (!CHATTER.test(line) || process.env.TF_CPP_MIN_LOG_LEVEL === '0') process.stderr.write(`${line}\n`);
  }
  if (isMainThread) process.on('exit', () => addon.finish());
  for (const ops of files.ops) require(ops).register(files.libraries);
  loaded = { addon, tensorflow: { version, ...files } };
  return loaded.tensorflow;
}

/** What was loaded; undefined before. */
export function loadedTensorflow(): Tensorflow | undefined {
  return loaded?.tensorflow;
}

/** The addon, with TensorFlow loaded. */
export function nativeSessions(): NativeSessions {
  loadTensorflow();
  return loaded!.addon;
}
