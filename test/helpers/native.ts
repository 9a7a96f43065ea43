import { ensureGradients } from '../../src/graph/gradients.js';
import { useNative } from '../../src/nn/native.js';

/** For beforeAll: the native engine, with gradients. Fails where it isn't set up: the tests that call this are about it. */
export async function native(): Promise<void> {
  if (!(await useNative())) throw new Error('the native engine is not set up: npm run setup');
  ensureGradients();
}
