/** The machine and the versions on it, for reports. */
import { availableParallelism, cpus, freemem, release, totalmem } from 'node:os';

/** What the computation runs on. */
export interface Machine {
  version: string;
  node: string;
  /** linux x64, with the kernel's release. */
  platform: string;
  processor: string;
  cores: number;
  /** GiB. */
  memory: { total: number; free: number };
}

/** @param version of this package */
export function describeMachine(version: string): Machine {
  const gib = (bytes: number) => Math.round((bytes / 2 ** 30) * 10) / 10;
  return {
    version,
    node: process.versions.node,
    platform: `${process.platform} ${process.arch} (${release()})`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory: { total: gib(totalmem()), free: gib(process.availableMemory?.() ?? freemem()) },
  };
}

/** Names and values of the machine's lines in a report. */
export function machineRows({ version, node, platform, processor, cores, memory }: Machine): [string, string][] {
  return [
    ['yolov8-tfjs', version],
    ['Node', node],
    ['System', platform],
    ['Processor', `${processor}, ${cores} core${cores === 1 ? '' : 's'} for this process`],
    ['Memory', `${memory.total} GiB, ${memory.free} GiB free`],
  ];
}
