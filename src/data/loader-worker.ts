/** Worker thread of loader.ts: prepares training images. */
import { parentPort, workerData } from 'node:worker_threads';
import { setImageThreads } from '../image/codec.js';
import { Producer, type ProducerSetup, type ToProducer } from './producer.js';

// Parallelism is across images: the other cores prepare other images or train.
setImageThreads(1);
const producer = new Producer(workerData as ProducerSetup, (message) => parentPort?.postMessage(message));
parentPort?.on('message', (message: ToProducer | 'close') => {
  if (message === 'close') parentPort?.close();
  else producer.receive(message);
});
