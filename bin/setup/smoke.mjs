/** Does the engine in this folder compute? `node smoke.mjs FOLDER` ends with code 0 if so. */
import { createRequire } from 'node:module';
import { useNative } from '../../dist/nn/native.js';

const tf = createRequire(import.meta.url)('@tensorflow/tfjs-core');
if (!(await useNative(process.argv[2]))) throw new Error('there is no engine in this folder');
const product = tf.matMul(tf.tensor2d([[2, 1]]), tf.tensor2d([[3], [4]])).dataSync();
if (product[0] !== 10) throw new Error(`the engine computes wrongly: 2·3 + 1·4 = ${product[0]}`);
