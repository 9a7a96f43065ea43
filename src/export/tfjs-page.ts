/**
 * What lies beside an exported TensorFlow.js model: yolo.js and yolo.d.ts (images in, objects out), a page that detects
 * in an image or the camera, TensorFlow.js itself with its WebGL and WebAssembly backends, and a server of a few lines.
 * Nothing of it needs a network.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { workerUrl } from '../core/worker-url.js';
import { writeFileAtomic } from '../io/files.js';

const require = createRequire(import.meta.url);

/** Name in the export, and where it comes from. The umbrella package is here for this: one script with WebGL. */
const TENSORFLOW: Record<string, string> = {
  'tf/tf.min.js': '@tensorflow/tfjs/dist/tf.es2017.min.js',
  'tf/tf-backend-wasm.min.js': '@tensorflow/tfjs-backend-wasm/dist/tf-backend-wasm.es2017.min.js',
  'tf/tfjs-backend-wasm.wasm': '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm',
  'tf/tfjs-backend-wasm-simd.wasm': '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm',
  'tf/tfjs-backend-wasm-threaded-simd.wasm': '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm',
};

const WEB = fileURLToPath(new URL('../../web/', import.meta.url));

/** @returns the files that were written into the folder */
export function writePage(dir: string): string[] {
  const bundle = workerUrl('../browser/yolo.bundle.js', import.meta.url); // in dist/, also when tests run this from src/
  const contents: Record<string, string | Uint8Array> = {
    'yolo.js': readFileSync(bundle),
    'yolo.d.ts': readFileSync(new URL('yolo.d.ts', bundle)),
    'index.html': readFileSync(join(WEB, 'index.html')),
    'serve.mjs': readFileSync(join(WEB, 'serve.mjs')),
  };
  for (const [name, from] of Object.entries(TENSORFLOW))
    contents[name] = withoutSourceMap(name, readFileSync(require.resolve(from)));
  return Object.entries(contents).map(([name, data]) => {
    const path = join(dir, name);
    writeFileAtomic(path, data);
    return path;
  });
}

/** The map is not copied: without this line browsers don't ask for it. */
function withoutSourceMap(name: string, data: Buffer): string | Uint8Array {
  return name.endsWith('.js') ? data.toString('utf8').replace(/\n?\/\/# sourceMappingURL=\S*\s*$/, '\n') : data;
}
