/** Loads all libraries of the GPU engine and computes on the CPU. Exits with code 0 on success. Needs no GPU. */
import { join } from 'node:path';
import { Session } from '../../dist/graph/session.js';
import { loadTensorflow } from '../../dist/graph/tensorflow.js';
import { gpuLibraries, gpuPins } from './gpu-paths.mjs';
import { engineDir } from './paths.mjs';

process.env.TF_CPP_MIN_LOG_LEVEL ??= '3'; // suppresses TensorFlow's error messages on machines without a driver
const files = { session: join(engineDir(), 'session.node'), libraries: gpuLibraries(), ops: [] };
const { version } = loadTensorflow(files);
if (version !== gpuPins.tensorflow) throw new Error(`TensorFlow ${version} was loaded, not ${gpuPins.tensorflow}`);
const session = Session.open({ gpu: false });
const type = { type: 'float32' };
session.add([
  { name: 'x', op: 'Placeholder', inputs: [], attrs: { dtype: type, shape: { shape: [2, 2] } } },
  { name: 'y', op: 'MatMul', inputs: ['x', 'x'], attrs: { T: type, transpose_a: false, transpose_b: false } },
]);
const [product] = session
  .plan({ feeds: ['x'], fetches: ['y'] })
  .run([{ dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }]);
session.close();
if (product.data.join() !== '7,10,15,22') throw new Error(`it computes wrongly: ${product.data.join()}`);
