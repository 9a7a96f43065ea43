/**
 * The WebAssembly engine: @tensorflow/tfjs-backend-wasm with its threads. The package offers threads to browsers alone: in
 * Node its feature test says no, and its workers start from blob: addresses that Node does not take. Its threaded module
 * itself runs in Node once it is given a file as worker, so it is made here and handed to the package's backend.
 */
import { createRequire } from 'node:module';
import os from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { log } from '../core/log.js';

const require = createRequire(import.meta.url);
const MODULE = '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js';
/** The module asks for eight workers when it starts, whatever will be used. */
const POOL = 8;
const START_TIMEOUT_MS = 10_000;

/** What Emscripten's module offers, as far as it is used here. */
interface EmscriptenModule {
  cwrap(name: string, result: string | null, args: string[]): (...args: number[]) => number;
  PThread: { unusedWorkers: unknown[] };
  tfjs?: Record<string, (...args: number[]) => number>;
}

/**
 * Registers and selects the backend 'wasm'.
 * @param threads how many to compute with; more than the machine's cores only slow it down
 * @returns the number of threads that it got: 1 where threads don't work
 */
export async function useWasm(threads: number): Promise<number> {
  const wasm = require('@tensorflow/tfjs-backend-wasm');
  const wanted = Math.max(1, Math.min(threads, POOL));
  if (wanted > 1) {
    try {
      const backend = await withCores(wanted, () => keepingListeners(() => threadedBackend(wasm, wanted)));
      tf.removeBackend('wasm');
      tf.registerBackend('wasm', () => backend, 2);
    } catch (error) {
      log.debug(`WebAssembly threads do not work here: ${error}`);
    }
  }
  wasm.setWasmPaths(dirname(require.resolve(MODULE)) + sep);
  await keepingListeners(async () => {
    await tf.setBackend('wasm');
    await tf.ready();
  });
  const backend = tf.backend() as unknown as { wasm: EmscriptenModule };
  return backend.wasm.tfjs?.getThreadsCount?.() || 1;
}

/** @returns an instance of the package's BackendWasm whose module has its threads running */
async function threadedBackend(
  wasm: { BackendWasm: new (module: EmscriptenModule) => tf.KernelBackend; setThreadsCount(n: number): void },
  threads: number,
): Promise<tf.KernelBackend> {
  const module = await startModule(threads);
  module.PThread.unusedWorkers.splice(0, POOL - threads + 1); // drops the idle ones
  module.tfjs = {
    init: module.cwrap('init', null, []),
    initWithThreadsCount: module.cwrap('init_with_threads_count', null, ['number']),
    getThreadsCount: module.cwrap('get_threads_count', 'number', []),
    registerTensor: module.cwrap('register_tensor', null, ['number', 'number', 'number']),
    disposeData: module.cwrap('dispose_data', null, ['number']),
    dispose: module.cwrap('dispose', null, []),
  };
  wasm.setThreadsCount(threads);
  return new wasm.BackendWasm(module);
}

/** Instantiates the threaded module; ready when all of its workers are. */
async function startModule(threads: number): Promise<EmscriptenModule> {
  const script = require.resolve(MODULE);
  const factory: (options: object) => Promise<EmscriptenModule> = require(script);
  const pool = new ThreadPool(threads - 1);
  let timer: NodeJS.Timeout | undefined;
  const failed = new Promise<never>((_, reject) => {
    pool.onError = reject;
    timer = setTimeout(() => reject(new Error('its workers did not start')), START_TIMEOUT_MS);
  });
  try {
    return await Promise.race([failed, pool.during(() => factory(moduleOptions(script)))]);
  } catch (error) {
    pool.terminate();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function moduleOptions(script: string): object {
  // Under vitest this file is TypeScript, which a worker can't run: take the compiled one.
  const worker = fileURLToPath(new URL('./wasm-thread.js', import.meta.url)).replace(
    `${sep}src${sep}nn${sep}`,
    `${sep}dist${sep}nn${sep}`,
  );
  return {
    locateFile: (file: string) => (file.endsWith('.worker.js') ? worker : join(dirname(script), file)),
    mainScriptUrlOrBlob: script,
  };
}

/**
 * Stands in for the class Worker while the module starts: the last `workers` of those that it asks for are real (it
 * takes them from the end), and their errors come here instead of ending the process; the others only say that they are
 * ready and are dropped then. (A pool of `threads` computes with the calling thread and `threads` - 1 workers.)
 */
class ThreadPool {
  onError: (error: Error) => void = () => {};
  readonly #workers: number;
  #asked = 0;
  readonly #started: Worker[] = [];

  constructor(workers: number) {
    this.#workers = workers;
  }

  /** Calls `start` with the class replaced in worker_threads; the module asks for its workers before this returns. */
  during<T>(start: () => T): T {
    const workerThreads: { Worker: unknown } = require('node:worker_threads');
    const real = workerThreads.Worker;
    const had = Object.getOwnPropertyDescriptor(globalThis, 'Worker');
    const pool = this;
    workerThreads.Worker = class {
      constructor(file: string) {
        // biome-ignore lint/correctness/noConstructorReturn: what `new Worker` gives must be a real worker or an idle one
        return pool.#asked++ < POOL - pool.#workers ? idleWorker() : pool.#start(file);
      }
    };
    try {
      return start();
    } finally {
      workerThreads.Worker = real;
      if (had) Object.defineProperty(globalThis, 'Worker', had);
      else Reflect.deleteProperty(globalThis, 'Worker'); // the module puts it there
    }
  }

  terminate(): void {
    for (const worker of this.#started) void worker.terminate();
  }

  #start(file: string): Worker {
    const worker = new Worker(file, { execArgv: [] });
    const on = worker.on.bind(worker);
    on('error', (error: Error) => this.onError(error));
    worker.on = ((event: string, listener: () => void) =>
      event === 'error' ? worker : on(event as 'message', listener)) as typeof worker.on;
    worker.unref();
    worker.ref = () => {}; // the module calls it when a thread begins to run: the process would never end
    this.#started.push(worker);
    return worker;
  }
}

/** Answers the module's first message and does nothing else. */
function idleWorker() {
  const idle = {
    onmessage: (_: { data: { cmd: string } }) => {},
    postMessage: () => setImmediate(() => idle.onmessage({ data: { cmd: 'loaded' } })),
    on: () => idle,
    unref: () => {},
    terminate: () => {},
  };
  return idle;
}

/** Runs `work` with as many cores reported as `threads` of the module take: it uses half of those that it is told of. */
async function withCores<T>(threads: number, work: () => Promise<T>): Promise<T> {
  const { cpus } = os;
  const reported = Array.from({ length: threads * 2 }, () => cpus()[0]);
  os.cpus = () => reported;
  try {
    return await work();
  } finally {
    os.cpus = cpus;
  }
}

/** Emscripten installs handlers that turn every uncaught error into its own; takes them away again. */
async function keepingListeners<T>(work: () => Promise<T>): Promise<T> {
  const events = ['uncaughtException', 'unhandledRejection'];
  const before = events.map((event) => process.listeners(event as 'uncaughtException'));
  try {
    return await work();
  } finally {
    events.forEach((event, i) => {
      for (const listener of process.listeners(event as 'uncaughtException')) {
        if (!before[i].includes(listener)) process.removeListener(event, listener);
      }
    });
  }
}
