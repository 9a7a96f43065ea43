/**
 * Gradients of tfjs' own kernels. The Node build of tfjs-core leaves them out; the umbrella package registers them (in the
 * global registry that every copy of tfjs-core shares). It is loaded only by those who differentiate: it costs 0.1 s.
 */
import { createRequire } from 'node:module';

let loaded = false;

/** Registers the gradients of all standard kernels; cheap when called again. */
export function ensureGradients(): void {
  if (loaded) return;
  createRequire(import.meta.url)('@tensorflow/tfjs');
  loaded = true;
}
