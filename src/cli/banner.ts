/** The first line of a run: versions and machine, and the engine where it is known already. */
import { availableParallelism } from 'node:os';
import { log } from '../core/log.js';
import { version } from '../core/version.js';

export function showBanner(engine?: string): void {
  const cores = availableParallelism();
  const machine = `${process.platform} ${process.arch}, ${cores} core${cores > 1 ? 's' : ''}`;
  log.info([`yolov8-tfjs ${version()}`, `Node ${process.versions.node}`, machine, engine].filter(Boolean).join(', '));
}
