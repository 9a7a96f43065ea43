/** A thread that decodes images for validation and fits them into their slot of a shared batch. */
import { parentPort } from 'node:worker_threads';
import { setImageThreads } from '../image/codec.js';
import { fillSlot, type Slot } from './val-slot.js';

setImageThreads(1);
parentPort?.on('message', async ({ id, slot, buffer }: { id: number; slot: Slot; buffer: SharedArrayBuffer }) => {
  parentPort?.postMessage({ id, ...(await fillSlot(slot, new Uint8Array(buffer))) });
});
