import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The folder with real weights, images and data that YOLO_REFERENCE names; undefined when it is not set. */
export function referenceFolder(): string | undefined {
  const folder = process.env.YOLO_REFERENCE;
  if (folder && !existsSync(join(folder, 'weights'))) throw new Error(`YOLO_REFERENCE=${folder} holds no weights/`);
  return folder || undefined;
}

/** Resident megabytes, after a collection where the process allows one (--expose-gc). */
export function memoryAfter(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss() / 2 ** 20;
}
