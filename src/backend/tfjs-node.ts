/**
 * Eager TensorFlow.js on the native engine, for tests and for programs that use tfjs themselves; the project's own modes
 * use sessions (src/graph/session.ts). It is the JavaScript of @tensorflow/tfjs-node-gpu with an addon that the set-up
 * (bin/setup/engine.mjs) compiles against the TensorFlow of a PyPI wheel, both in a per-user cache. Only the backend and
 * its kernels are loaded, with this project's tfjs-core: loading the package @tensorflow/tfjs would take most of a second.
 */
import { existsSync, readFileSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { engineDir } from '../../bin/setup/paths.mjs';
import { loadTensorflow, type TensorflowFiles, tensorflowFiles } from '../graph/tensorflow.js';

const require = createRequire(import.meta.url);

/** An addon and the JavaScript of tfjs-node-gpu that goes with it. */
interface NativeFiles {
  addon: string;
  /** Folder of the package: holds dist/. */
  pkg: string;
  /** TensorFlow, if the addon uses the same libraries; it is loaded first, which suppresses its start-up messages. */
  tensorflow?: TensorflowFiles;
}

/** Version of the TensorFlow that is loaded. */
let loaded: string | undefined;

/**
 * Registers and selects the backend 'tensorflow'.
 * @param dir folder of the engine; differs from the default only during the set-up
 * @param tensorflow its libraries. Default: those for the CPU
 * @returns false when no engine is set up
 * @throws Error of the dynamic loader when the engine cannot be loaded
 */
export async function useNative(dir: string = engineDir(), tensorflow = tensorflowFiles(dir)): Promise<boolean> {
  if (!existsSync(join(dir, 'tfjs_binding.node'))) return false;
  await load({
    addon: join(dir, 'tfjs_binding.node'),
    pkg: join(dir, 'tfjs-node-gpu'),
    tensorflow,
  });
  return true;
}

/**
 * The same with the binary that the install script of tfjs-node-gpu downloads.
 * @returns version of TensorFlow; undefined when there is no such binary
 */
export async function usePackageBinary(): Promise<string | undefined> {
  const files = packageBinary();
  return files && load(files);
}

/** The files of tfjs-node-gpu's own binary, if its install script has succeeded. */
function packageBinary(): NativeFiles | undefined {
  try {
    const manifest = require.resolve('@tensorflow/tfjs-node-gpu/package.json');
    const pkg = dirname(manifest);
    const versions: number[] = JSON.parse(readFileSync(manifest, 'utf8')).binary.napi_versions;
    const napi = Math.max(...versions.filter((v) => v <= Number(process.versions.napi)));
    const addon = join(pkg, 'lib', `napi-v${napi}`, 'tfjs_binding.node');
    return existsSync(addon) && existsSync(join(pkg, 'deps', 'lib')) ? { addon, pkg } : undefined;
  } catch {
    return undefined;
  }
}

async function load({ addon, pkg, tensorflow }: NativeFiles): Promise<string> {
  if (!loaded) {
    restoreUtil();
    process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
    if (tensorflow) loadTensorflow(tensorflow);
    const bindings = withProjectCore(() => {
      const native = require(addon);
      const { NodeJSKernelBackend } = require(join(pkg, 'dist/nodejs_kernel_backend.js'));
      require(join(pkg, 'dist/register_all_kernels.js'));
      tf.registerBackend('tensorflow', () => new NodeJSKernelBackend(native, '@tensorflow/tfjs-node-gpu'), 3);
      return native;
    });
    loaded = String(bindings.TF_Version);
  }
  await tf.setBackend('tensorflow');
  await tf.ready();
  return loaded;
}

/**
 * Resolves the package's import of '@tensorflow/tfjs' to this project's tfjs-core, which has all that its backend and
 * kernels use.
 */
function withProjectCore<T>(work: () => T): T {
  const mod = Module as unknown as { _resolveFilename: (request: string, ...rest: unknown[]) => string };
  const resolve = mod._resolveFilename;
  const core = require.resolve('@tensorflow/tfjs-core');
  mod._resolveFilename = function (this: unknown, request: string, ...rest: unknown[]) {
    if (request === '@tensorflow/tfjs' || request === '@tensorflow/tfjs-core') return core;
    return resolve.call(this, request, ...rest);
  };
  try {
    return work();
  } finally {
    mod._resolveFilename = resolve;
  }
}

/** tfjs-node 4.22 calls two functions of 'util' that Node 23 has removed. */
function restoreUtil(): void {
  const old = util as unknown as Record<string, unknown>;
  old.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  old.isArray ??= Array.isArray;
}
