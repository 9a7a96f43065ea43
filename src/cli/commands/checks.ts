/** `yolo checks`: versions and machine. */
import { availableParallelism, totalmem } from 'node:os';
import { print } from '../terminal.js';
import { version } from '../version.js';

export async function run(): Promise<number> {
  print(`yolov8-tfjs ${version()}`);
  print(`Node ${process.versions.node}, ${process.platform} ${process.arch}`);
  print(`${availableParallelism()} cores, ${(totalmem() / 2 ** 30).toFixed(1)} GiB of memory`);
  return 0;
}
