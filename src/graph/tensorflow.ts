/**
 * TensorFlow in this process: the addon of native/session, which opens TensorFlow's libraries by their full paths. The
 * first call in a process decides which libraries are loaded.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { engineDir, setupCommand, tensorflowLibraries } from '../../bin/setup/paths.mjs';
import { UserError } from '../core/errors.js';

const require = createRequire(import.meta.url);

/** Full paths of the files of an engine. */
export interface TensorflowFiles {
  /** The addon of native/session. */
  session: string;
  /** TensorFlow's shared libraries, each after its dependencies. */
  libraries: string[];
  /** Addons that register custom ops (native/fused). */
  ops: string[];
  /** Whether it computes on a GPU. */
  gpu?: boolean;
}

/** The loaded TensorFlow. */
export interface Tensorflow extends TensorflowFiles {
  /** Version of TensorFlow, e.g. 2.21.0. */
  version: string;
  /** Whether the custom ops that need the processor's AMX tiles are registered, too. */
  tiles: boolean;
  /** Whether those for convolutions in float32, which need AVX-512 or AVX2, are. */
  winograd: boolean;
  /** Whether ProductConv, one of them, is faster than oneDNN, which has no fast kernel with bias and SiLU for AVX2 alone. */
  products: boolean;
  /** Whether convolutions are computed by oneDNN, which has its own fused ops. */
  onednn: boolean;
}

/** Opaque handle of a C++ object of the addon. */
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

/** Functions of native/session/addon.cc. Element types are numbers (TYPE_NUMBER). */
export interface NativeSessions {
  /** Starts to load the libraries in another thread; `load` waits for it. */
  loadAhead(libraries: string[], gpu: boolean): void;
  load(libraries: string[], gpu: boolean): { version: string; messages: string };
  /** concurrent: runs may overlap. */
  open(config: Uint8Array, target: string, concurrent: boolean): Handle;
  close(session: Handle): void;
  add(session: Handle, graphDef: Uint8Array, prefix: string, device: string): void;
  plan(
    session: Handle,
    feeds: readonly string[],
    fetches: readonly string[],
    targets: readonly string[],
  ): { plan: Handle; feeds: NativeType[] };
  /** Copies the fed values. @returns a run, to be used once, with run, runApart or discard */
  prepare(plan: Handle, types: number[], shapes: (readonly number[])[], values: ArrayBufferView[]): Handle;
  run(run: Handle): NativeTensor[];
  runApart(run: Handle): Promise<NativeTensor[]>;
  discard(run: Handle): void;
  /** Starts the server of this process, which listens on one IPv4 address ('': on all). @returns the target of its sessions */
  serve(serverDef: Uint8Array, address: string): string;
  devices(session: Handle): { name: string; type: string; memory: number }[];
  kernels(op: string): ArrayBuffer;
  ops(): ArrayBuffer;
  /** Waits a short time for current runs, before the process exits. */
  finish(): void;
}

export type { Handle, NativeTensor };

/** TensorFlow says so at every TF_CPP_MIN_LOG_LEVEL, unless TF_ENABLE_ONEDNN_OPTS=0 or a build without it. */
const ONEDNN = 'oneDNN custom operations are on';
/** Start-up messages that TensorFlow writes at every TF_CPP_MIN_LOG_LEVEL and that are of no use to users. */
const SUPPRESSED = new RegExp(`All log messages before absl::InitializeLog|${ONEDNN}|^\\s*$`);

/** Whether `finish` is called at the end of the process. */
let finishing = false;
let loaded: { addon: NativeSessions; tensorflow: Tensorflow } | undefined;

/** @returns the files of the CPU engine that the set-up has built in a folder; undefined when there are none */
export function tensorflowFiles(dir: string = engineDir()): TensorflowFiles | undefined {
  const session = join(dir, 'session.node');
  if (!existsSync(session)) return undefined;
  const ops = [join(dir, 'fused.node')].filter((file) => existsSync(file));
  return { session, libraries: tensorflowLibraries(dir), ops };
}

/**
 * Loads TensorFlow and the custom ops, once in a process.
 * @throws UserError 'no-engine' when it is not set up; Error of the dynamic loader when it cannot be loaded
 */
export function loadTensorflow(files: TensorflowFiles | undefined = tensorflowFiles()): Tensorflow {
  if (loaded) return loaded.tensorflow;
  if (!files) throw new UserError('no-engine', 'TensorFlow is not set up', `run: ${setupCommand}`, 1);
  const addon = requireAddon(files);
  const { version, messages } = addon.load(files.libraries, files.gpu ?? false);
  for (const line of messages.split('\n')) {
    if (!SUPPRESSED.test(line) || process.env.TF_CPP_MIN_LOG_LEVEL === '0') process.stderr.write(`${line}\n`);
  }
  type Registered = Pick<Tensorflow, 'tiles' | 'winograd' | 'products'>;
  const registered: Registered[] = files.ops.map((ops) => require(ops).register(files.libraries));
  const has = (name: keyof Registered) => registered.some((ops) => ops[name]);
  const onednn = messages.includes(ONEDNN) && !files.gpu;
  loaded = {
    addon,
    tensorflow: {
      version,
      tiles: has('tiles'),
      winograd: has('winograd'),
      products: has('products'),
      onednn,
      ...files,
    },
  };
  return loaded.tensorflow;
}

/**
 * Starts to load TensorFlow in another thread, for a `loadTensorflow` with the same files: JavaScript modules can be loaded in
 * the meantime. What fails is reported by that call.
 */
export function loadTensorflowAhead(files: TensorflowFiles): void {
  if (loaded) return;
  requireAddon(files).loadAhead(files.libraries, files.gpu ?? false);
}

/** The process must not exit in the middle of loading and of runs. */
function requireAddon(files: TensorflowFiles): NativeSessions {
  const addon: NativeSessions = require(files.session);
  if (isMainThread && !finishing) process.on('exit', () => addon.finish());
  finishing = true;
  return addon;
}

/** @returns the loaded TensorFlow; undefined before loadTensorflow */
export function loadedTensorflow(): Tensorflow | undefined {
  return loaded?.tensorflow;
}

/** Loads TensorFlow if necessary. @returns the addon @throws UserError as loadTensorflow */
export function nativeSessions(): NativeSessions {
  loadTensorflow();
  return loaded!.addon;
}
