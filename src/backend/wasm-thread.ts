/**
 * A thread of the WebAssembly engine: the script that @tensorflow/tfjs-backend-wasm gives to a browser's worker, run in a
 * worker of Node. Started by wasm.ts only.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const {
  wasmWorkerContents,
} = require('@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js');
// The script expects the variables of a CommonJS file, and to be evaluated in the global scope.
Object.assign(globalThis, { require, __filename: fileURLToPath(import.meta.url) });
// Line ends in its string literals are not escaped (the package itself replaces them in the same way).
// biome-ignore lint/security/noGlobalEval: the text is a file of a dependency, as a browser's importScripts would load it
const evaluate = eval; // called by another name it runs in the global scope
evaluate(wasmWorkerContents.replace(/\n/g, '\\n'));
