/**
 * Paths of the GPU engine: TensorFlow's CUDA build and NVIDIA's libraries, in a folder of the cache with the layout of
 * Python's site-packages, because TensorFlow searches for tools relative to itself. The addons are those of the CPU engine.
 * Used by the set-up and by src, which loads the libraries. Types: gpu-paths.d.mts.
 *
 *   tensorflow-cuda-<version>-<platform>-<digest>/   tensorflow/, nvidia/<library>/, gpu.json (written last)
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir, isClone, root } from './paths.mjs';

/** Versions, hashes and files of the wheels; each is after those on which its libraries depend. */
export const gpuPins = JSON.parse(readFileSync(join(root, 'native/engine-gpu.json'), 'utf8'));

/** The command that sets it up. */
export const gpuSetupCommand = isClone ? 'npm run setup -- --gpu' : 'yolo setup gpu';

/** Whether there are wheels for this platform. */
export function isGpuPlatform() {
  return `${process.platform}-${process.arch}` === gpuPins.platform;
}

/** Folder of the GPU engine for these versions. */
export function gpuDir() {
  const hash = createHash('sha256');
  for (const { sha256, libraries, files = [] } of gpuPins.wheels) hash.update([sha256, ...libraries, ...files].join());
  const digest = hash.digest('hex').slice(0, 8);
  return join(cacheDir(), `tensorflow-cuda-${gpuPins.tensorflow}-${gpuPins.platform}-${digest}`);
}

/** Whether the set-up has been completed. */
export function gpuReady() {
  return existsSync(join(gpuDir(), 'gpu.json'));
}

/** Full paths of all libraries, each after its dependencies: NVIDIA's, then TensorFlow's. */
export function gpuLibraries() {
  return gpuPins.wheels.flatMap(({ libraries }) => libraries.map((name) => join(gpuDir(), name)));
}

/** File with the reason why the last set-up failed: { why, faster, at }. */
export function gpuFailureFile() {
  return `${gpuDir()}.failed.json`;
}

/** Contents of gpuFailureFile, or undefined. */
export function lastGpuFailure() {
  try {
    return JSON.parse(readFileSync(gpuFailureFile(), 'utf8'));
  } catch {
    return undefined;
  }
}
