/**
 * The WebAssembly engine: @tensorflow/tfjs-backend-wasm with threads. The package supports threads in browsers only: in Node
 * its feature test fails, and its workers start from blob: URLs, which Node does not support. Its threaded module runs in
 * Node with a file as worker; it is instantiated here and passed to the package's backend.
 */
import { createRequire } from 'node:module';
import os from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { log } from '../core/log.js';
import { workerUrl } from '../core/worker-url.js';

const require = createRequire(import.meta.url);
const MODULE = '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js';
/** Number of workers that the module requests when it starts, independent of the number of threads. */
const POOL = 8;
const START_TIMEOUT_MS = 10_000;

/** The members of Emscripten's module that are used. */
interface EmscriptenModule {
  cwrap(name: string, result: string | null, args: string[]): (...args: number[]) => number;
  PThread: { unusedWorkers: unknown[] };
  tfjs?: Record<string, (...args: number[]) => number>;
}

/**
 * Registers and selects the backend 'wasm'.
 * @param threads number of threads; more than the number of cores is slower
 * @returns number of threads in use: 1 where threads are not available
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

/** @returns an instance of the package's BackendWasm with a threaded module */
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
  const worker = fileURLToPath(workerUrl('wasm-thread.ts', import.meta.url));
  return {
    locateFile: (file: string) => (file.endsWith('.worker.js') ? worker : join(dirname(script), file)),
    mainScriptUrlOrBlob: script,
  };
}

/**
 * Replaces the class Worker while the module starts. The last `workers` of the requested workers are real (the module uses
 * them from the end), and their errors are passed to `onError` instead of ending the process; the others only report that
 * they are ready and are then removed. (`threads` threads are the calling thread and `threads` − 1 workers.)
 */
class ThreadPool {
  onError: (error: Error) => void = () => {};
  readonly #workers: number;
  #asked = 0;
  readonly #started: Worker[] = [];

  constructor(workers: number) {
    this.#workers = workers;
  }

  /** Calls `start` with the class replaced in worker_threads; the module creates its workers before this returns. */
  during<T>(start: () => T): T {
    const workerThreads: { Worker: unknown } = require('node:worker_threads');
    const real = workerThreads.Worker;
    const had = Object.getOwnPropertyDescriptor(globalThis, 'Worker');
    const pool = this;
    workerThreads.Worker = class {
      constructor(file: string) {
        // biome-ignore lint/correctness/noConstructorReturn: `new Worker` must return a real worker or an idle one
        return pool.#asked++ < POOL - pool.#workers ? idleWorker() : pool.#start(file);
      }
    };
    try {
      return start();
    } finally {
      workerThreads.Worker = real;
      if (had) Object.defineProperty(globalThis, 'Worker', had);
      else Reflect.deleteProperty(globalThis, 'Worker'); // the module has set it
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
    worker.ref = () => {}; // the module calls it when a thread starts, which would keep the process alive
    this.#started.push(worker);
    return worker;
  }
}

/** A worker that only answers the module's first message. */
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

/** Runs `work` while os.cpus() reports twice `threads` cores: the module uses half of the reported number. */
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

/** Removes the listeners for uncaught errors that Emscripten's module installs, which would replace the original errors. */
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
