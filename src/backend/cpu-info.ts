/** What Linux says about the processor. */
import { readFileSync } from 'node:fs';

/** Instruction sets and other features of the processor. */
export function flagsOf(cpuInfo: string): string[] {
  const [, flags = ''] = /^(?:flags|Features)\s*:(.*)$/m.exec(cpuInfo) ?? [];
  return flags.split(/\s+/);
}

/** @returns text of /proc/cpuinfo; empty on systems without it */
export function readCpuInfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return '';
  }
}
