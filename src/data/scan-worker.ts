/** A thread that looks at images and label files for scan.ts. */
import { parentPort } from 'node:worker_threads';
import { type ScanItem, scanChunk } from './scan.js';

parentPort?.on('message', async ({ items, nc }: { items: ScanItem[]; nc: number }) => {
  const entries = await scanChunk(items, nc);
  parentPort?.postMessage(entries);
});
