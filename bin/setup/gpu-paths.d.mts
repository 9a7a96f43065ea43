/** Types of gpu-paths.mjs. */
import type { Failure } from './paths.mjs';

export interface GpuWheelPin {
  package: string;
  version: string;
  file: string;
  bytes: number;
  sha256: string;
  /** Size of what is taken out of it. */
  diskBytes: number;
  /** Names inside the wheel, each after those that it needs. */
  libraries: string[];
  /** What else is taken out. */
  files?: string[];
}
export const gpuPins: {
  tensorflow: string;
  platform: string;
  /** Oldest driver, and the CUDA version that it knows: 12000 is 12.0. */
  driver: { version: string; cuda: number };
  /** Compute capabilities times ten: the first that it has kernels for, and those that the driver compiles kernels for. */
  capability: { first: number; compiledFrom: number; compiledTo: number; cuda: number };
  wheels: GpuWheelPin[];
};
export const gpuSetupCommand: string;
export function isGpuPlatform(): boolean;
export function gpuDir(): string;
export function gpuReady(): boolean;
export function gpuLibraries(): string[];
export function gpuFailureFile(): string;
export function lastGpuFailure(): Failure | undefined;
