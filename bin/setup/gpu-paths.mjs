/**
 * Where the GPU engine lies: TensorFlow's CUDA build and NVIDIA's libraries, in a folder of the cache that is laid out like
 * Python's site-packages, because TensorFlow looks for tools beside itself. The addons are those of the CPU engine. One
 * source for the set-up and for src, which loads the libraries. Types: gpu-paths.d.mts.
 *
 *   tensorflow-cuda-<version>-<platform>-<digest>/   tensorflow/, nvidia/<library>/, gpu.json (written last)
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir, isClone, root } from './paths.mjs';

/** Versions, hashes and files of the wheels, in the order in which their libraries need one another. */
export const gpuPins = JSON.parse(readFileSync(join(root, 'native/engine-gpu.json'), 'utf8'));

/** What the user types to get it. */
export const gpuSetupCommand = isClone ? 'npm run setup -- --gpu' : 'yolo setup gpu';

/** Whether the wheels are made for this machine at all. */
export function isGpuPlatform() {
  return `${process.platform}-${process.arch}` === gpuPins.platform;
}

export function gpuDir() {
  const hash = createHash('sha256');
  for (const { sha256, libraries, files = [] } of gpuPins.wheels) hash.update([sha256, ...libraries, ...files].join());
  const digest = hash.digest('hex').slice(0, 8);
  return join(cacheDir(), `tensorflow-cuda-${gpuPins.tensorflow}-${gpuPins.platform}-${digest}`);
}

/** True when the set-up has finished here once. */
export function gpuReady() {
  return existsSync(join(gpuDir(), 'gpu.json'));
}

/** Full paths of all libraries, each after those that it needs: NVIDIA's, then TensorFlow's. */
export function gpuLibraries() {
  return gpuPins.wheels.flatMap(({ libraries }) => libraries.map((name) => join(gpuDir(), name)));
}

/** Says why the last set-up gave no GPU engine: { why, faster, at }. */
export function gpuFailureFile() {
  return `${gpuDir()}.failed.json`;
}

/** What gpuFailureFile holds, or undefined. */
export function lastGpuFailure() {
  try {
    return JSON.parse(readFileSync(gpuFailureFile(), 'utf8'));
  } catch {
    return undefined;
  }
}
