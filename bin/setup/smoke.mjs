/** Tests the engine in a folder: `node smoke.mjs FOLDER` exits with code 0 on success. */
import { createRequire } from 'node:module';
import { useNative } from '../../dist/backend/tfjs-node.js';
import { Session } from '../../dist/graph/session.js';
import { loadTensorflow, tensorflowFiles } from '../../dist/graph/tensorflow.js';

loadTensorflow(tensorflowFiles(process.argv[2]));
if (await useNative(process.argv[2])) {
  const tf = createRequire(import.meta.url)('@tensorflow/tfjs-core');
  const product = tf.matMul(tf.tensor2d([[2, 1]]), tf.tensor2d([[3], [4]])).dataSync();
  if (product[0] !== 10) throw new Error(`the engine computes wrongly: 2·3 + 1·4 = ${product[0]}`);
}

const session = Session.open();
const type = { type: 'float32' };
session.add([
  { name: 'x', op: 'Placeholder', inputs: [], attrs: { dtype: type, shape: { shape: [] } } },
  { name: 'y', op: 'Square', inputs: ['x'], attrs: { T: type } },
]);
const [square] = session
  .plan({ feeds: ['x'], fetches: ['y'] })
  .run([{ dtype: 'float32', shape: [], data: Float32Array.of(3) }]);
session.close();
if (square.data[0] !== 9) throw new Error(`a session computes wrongly: 3² = ${square.data[0]}`);
