/** The message after a set-up: the engine in use, the reason, and how to get a faster one. */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pins } from './paths.mjs';

/** @param {{ ready: boolean, why?: string, faster?: string }} state result of setupEngine */
export function describeState({ ready, why, faster }) {
  if (ready) return `Engine: TensorFlow ${pins.tensorflow}, native, on the CPU.`;
  const engine = hasPackageBinary()
    ? "TensorFlow as tfjs-node-gpu's own install step fetched it"
    : 'WebAssembly (predicts and validates, cannot train, several times slower)';
  return `Engine: ${engine}, because ${why}. Faster: ${faster}.`;
}

/** Whether the install script of tfjs-node-gpu has succeeded. */
function hasPackageBinary() {
  try {
    const pkg = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-node-gpu/package.json'));
    const builds = readdirSync(join(pkg, 'lib'));
    return builds.some((name) => existsSync(join(pkg, 'lib', name, 'tfjs_binding.node')));
  } catch {
    return false;
  }
}
