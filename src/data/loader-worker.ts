/** A thread that prepares training images for loader.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { setImageThreads } from '../image/codec.js';
import { Producer, type ProducerSetup, type ToProducer } from './producer.js';

// One image is one thread's work: the other cores have their own, or train.
setImageThreads(1);
const producer = new Producer(workerData as ProducerSetup, (message) => parentPort?.postMessage(message));
parentPort?.on('message', (message: ToProducer | 'close') => {
  if (message === 'close') parentPort?.close();
  else producer.receive(message);
});
