import { useNative } from '../../src/backend/tfjs-node.js';
import { ensureGradients } from '../../src/graph/gradients.js';
import { tensorflowFiles } from '../../src/graph/tensorflow.js';

/**
 * For beforeAll: the native engine, with gradients. vitest.config.ts leaves out test files that import this where there is
 * no such engine; files that have tests for other engines, too, ask engineReady() themselves.
 */
export async function native(): Promise<void> {
  if (!(await useNative())) throw new Error('the native engine is not set up: npm run setup');
  ensureGradients();
}

/** For beforeAll of tests about sessions of TensorFlow, which need nothing of tfjs-node. */
export function sessions(): void {
  if (!tensorflowFiles()) throw new Error('the native engine is not set up: npm run setup');
}
