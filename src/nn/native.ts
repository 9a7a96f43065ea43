/**
 * Loads the native TensorFlow engine: the JavaScript of @tensorflow/tfjs-node-gpu over an addon that `bin/setup.mjs`
 * compiled against the TensorFlow of a PyPI wheel, both in a per-user cache. Only the backend and its kernels are loaded,
 * against this project's own tfjs-core: the umbrella package @tensorflow/tfjs would cost most of a second and isn't used.
 */
import { existsSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';

const require = createRequire(import.meta.url);

export const TENSORFLOW_VERSION = '2.21.0';
export const TFJS_VERSION = '4.22.0';

/** The per-user cache of this tool; YOLO_CACHE moves it. */
export function cacheDir(): string {
  return process.env.YOLO_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'yolov8-tfjs');
}

/** Folder of the engine for this platform and these versions. */
export function engineDir(): string {
  return join(cacheDir(), `engine-tf${TENSORFLOW_VERSION}-tfjs${TFJS_VERSION}-${process.platform}-${process.arch}`);
}

/** Registers and selects the backend 'tensorflow'. @returns false when no engine was set up. */
export async function useNative(): Promise<boolean> {
  const dir = engineDir();
  const addon = join(dir, 'tfjs_binding.node');
  if (!existsSync(addon)) return false;
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  // The package asks for '@tensorflow/tfjs'; all that its backend and kernels use of it is in tfjs-core.
  const mod = Module as unknown as { _resolveFilename: (request: string, ...rest: unknown[]) => string };
  const resolve = mod._resolveFilename;
  const core = require.resolve('@tensorflow/tfjs-core');
  mod._resolveFilename = function (this: unknown, request: string, ...rest: unknown[]) {
    if (request === '@tensorflow/tfjs' || request === '@tensorflow/tfjs-core') return core;
    return resolve.call(this, request, ...rest);
  };
  try {
    const bindings = require(addon);
    const { NodeJSKernelBackend } = require(join(dir, 'tfjs-node-gpu/dist/nodejs_kernel_backend.js'));
    require(join(dir, 'tfjs-node-gpu/dist/register_all_kernels.js'));
    tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(bindings, '@tensorflow/tfjs-node-gpu'), 3);
    await tf.setBackend('tensorflow');
    await tf.ready();
    return true;
  } finally {
    mod._resolveFilename = resolve;
  }
}
