/** Detection of an NVIDIA driver from files, without loading it. Types: driver.d.mts. */
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Folders of the driver's library in distributions, containers, WSL and NixOS. */
const FOLDERS = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
  '/usr/lib/wsl/lib',
  '/usr/local/nvidia/lib64',
  '/run/opengl-driver/lib',
];

/**
 * @returns {{ version?: string } | undefined} its version if the kernel module reports it (not in WSL); undefined: no driver
 */
export function findDriver() {
  const version = kernelModuleVersion();
  if (version) return { version };
  const folders = [...(process.env.LD_LIBRARY_PATH ?? '').split(delimiter), ...FOLDERS];
  return folders.some((folder) => folder && existsSync(join(folder, 'libcuda.so.1'))) ? {} : undefined;
}

/** 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar …' and the like */
function kernelModuleVersion() {
  try {
    return /\s(\d+(?:\.\d+)+)\s/.exec(readFileSync('/proc/driver/nvidia/version', 'utf8'))?.[1];
  } catch {
    return undefined;
  }
}

/** Whether a version such as '550.54.15' is older than another. */
export function isOlder(version, than) {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number));
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
