/** The compiled part of sharp by itself, which takes a fifth of the time of its JavaScript. */
import { createRequire } from 'node:module';

/**
 * Loads it, for a later import of codec.ts. No effect where sharp has another one for the system (musl, WebAssembly), or none.
 * @returns whether it is loaded
 */
export function loadCodecAddon(): boolean {
  const here = createRequire(import.meta.url);
  try {
    createRequire(here.resolve('sharp'))(`@img/sharp-${process.platform}-${process.arch}/sharp.node`);
    return true;
  } catch {
    return false;
  }
}
