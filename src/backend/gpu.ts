/**
 * NVIDIA GPUs: whether one can be used, and if not, the reason and the remedy. The checks are in ascending order of cost:
 * files of the driver, files of the GPU engine, the driver itself.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { findDriver, isOlder } from '../../bin/setup/driver.mjs';
import {
  gpuLibraries,
  gpuPins,
  gpuReady,
  gpuSetupCommand,
  isGpuPlatform,
  lastGpuFailure,
} from '../../bin/setup/gpu-paths.mjs';
import { engineDir } from '../../bin/setup/paths.mjs';
import type { TensorflowFiles } from '../graph/tensorflow.js';

const require = createRequire(import.meta.url);
const KERNEL_VIEW = '/proc/driver/nvidia/gpus';
/** CUresult CUDA_ERROR_NO_DEVICE. */
const NO_DEVICE = 100;

/** A GPU that can be used. */
export interface Gpu {
  /** Its number in `device` and nvidia-smi. */
  index: number;
  name: string;
  /** Bytes. */
  memory: number;
  /** Compute capability times ten: 86 is 8.6. */
  capability: number;
  /** Maximum CUDA version of the driver: 12040 is 12.4. */
  cuda: number;
  /** Reason why it may not work. */
  caution?: string;
}

/** Why no GPU can be used. */
export interface NoGpu {
  /** Completes "… is not used: ". */
  why: string;
  remedy: string;
}

/** Result of the addon of native/cuda. */
interface Probe {
  error: number;
  message: string;
  cuda: number;
  devices: { name: string; memory: number; capability: number }[];
}

/** The driver reads the environment once: a process uses the GPU that was selected first. */
let chosen: number | undefined;

/** Whether there is an NVIDIA driver, from files alone. */
export function hasDriver(): boolean {
  return isGpuPlatform() && findDriver() !== undefined;
}

/** Whether device=auto searches for a GPU: there is a driver, and CUDA_VISIBLE_DEVICES does not hide all GPUs. */
export function wantsGpu(): boolean {
  const { CUDA_VISIBLE_DEVICES: visible } = process.env;
  return visible !== '' && visible !== '-1' && hasDriver();
}

/** Selects a GPU for this process. @returns the GPU, or the reason why it cannot be used */
export function findGpu(index: number): Gpu | NoGpu {
  return problemOfFiles() ?? problemOfDriver(index);
}

/** Files of TensorFlow's CUDA build with the addons of the CPU engine. Without the custom ops, which have no GPU kernels. */
export function gpuFiles(): TensorflowFiles {
  return { session: join(engineDir(), 'session.node'), libraries: gpuLibraries(), ops: [], gpu: true };
}

/** Problems that can be found from files. */
function problemOfFiles(): NoGpu | undefined {
  if (!isGpuPlatform())
    return {
      why: 'GPUs are used on Linux with an x86-64 processor only',
      remedy: 'use such a machine',
    };
  const driver = findDriver();
  if (!driver) {
    return {
      why: 'this machine shows no NVIDIA driver',
      remedy: `install it (version ${gpuPins.driver.version} or newer); a container needs access to the GPU (docker run --gpus all)`,
    };
  }
  if (driver.version && isOlder(driver.version, gpuPins.driver.version)) return oldDriver(driver.version);
  if (!gpuReady()) {
    const failure = lastGpuFailure();
    if (failure) return { why: `the GPU engine could not be set up: ${failure.why}`, remedy: failure.faster };
    return { why: 'the GPU engine is not set up', remedy: `run "${gpuSetupCommand}" (${downloadSize()} to download)` };
  }
  const missing = [join(engineDir(), 'cuda.node'), ...gpuLibraries()].find((file) => !existsSync(file));
  if (missing) {
    const why = `the library ${basename(missing)} of the GPU engine is missing`;
    return { why, remedy: `run "${gpuSetupCommand}", which fetches what is missing` };
  }
  return undefined;
}

/** Selects the GPU and checks it with the driver. */
function problemOfDriver(index: number): Gpu | NoGpu {
  const hidden = showOnly(index);
  if (hidden) return hidden;
  const { error, message, cuda, devices }: Probe = require(join(engineDir(), 'cuda.node')).probe();
  if (cuda > 0 && cuda < gpuPins.driver.cuda) return oldDriver(`for CUDA ${cudaVersion(cuda)}`);
  if (error === NO_DEVICE || (error === 0 && devices.length === 0)) {
    const names = kernelView();
    const there = names.length > 0 ? `there are ${names.length}: ${names.join(', ')}` : 'it shows none';
    return {
      why: `the NVIDIA driver shows this process no GPU ${index} (${there})`,
      remedy: 'use another number',
    };
  }
  if (error !== 0) {
    const remedy = 'look whether nvidia-smi works; after an update of the driver the machine has to be started anew';
    return { why: `the NVIDIA driver does not start: ${message} (error ${error})`, remedy };
  }
  const gpu: Gpu = { ...devices[0], index, cuda };
  const { first, compiledFrom, compiledTo, cuda: compiler } = gpuPins.capability;
  const named = `${gpu.name} (compute capability ${gpu.capability / 10})`;
  if (gpu.capability < first) {
    const why = `TensorFlow ${gpuPins.tensorflow} has no kernels for the ${named}: it needs ${(first / 10).toFixed(1)} or newer`;
    return { why, remedy: 'use a newer GPU' };
  }
  if (gpu.capability >= compiledFrom && cuda < compiler) {
    const why = `the driver has to compile kernels for the ${named} and is too old for that: it knows CUDA ${cudaVersion(cuda)}, ${cudaVersion(compiler)} is needed`;
    return { why, remedy: 'update the NVIDIA driver' };
  }
  if (gpu.capability > compiledTo) {
    gpu.caution = `TensorFlow ${gpuPins.tensorflow} was not built for the ${named}, and others report errors with it`;
  }
  return gpu;
}

/**
 * Makes one GPU visible to the driver, of those in CUDA_VISIBLE_DEVICES if the user has set it. Memory is allocated on
 * demand, also by the backend of tfjs-node.
 */
function showOnly(index: number): NoGpu | undefined {
  if (chosen !== undefined && chosen !== index) {
    return {
      why: `this process computes on GPU ${chosen} already`,
      remedy: `use device=${chosen}, or another process`,
    };
  }
  if (chosen === index) return undefined;
  const visible = process.env.CUDA_VISIBLE_DEVICES?.split(',').map((part) => part.trim());
  if (visible && (visible[index] ?? '') === '') {
    const count = visible.filter((part) => part !== '').length;
    const why = `CUDA_VISIBLE_DEVICES=${visible} leaves ${count === 0 ? 'no GPU' : `${count}, numbered from 0`}`;
    return { why, remedy: 'unset it, or use another number' };
  }
  chosen = index;
  process.env.CUDA_VISIBLE_DEVICES = visible?.[index] ?? String(index);
  process.env.CUDA_DEVICE_ORDER ??= 'PCI_BUS_ID'; // the order in which nvidia-smi counts
  process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  return undefined;
}

/** Names of all GPUs, from the kernel module of the driver. */
function kernelView(): string[] {
  try {
    return readdirSync(KERNEL_VIEW).map((slot) => {
      const text = readFileSync(join(KERNEL_VIEW, slot, 'information'), 'utf8');
      return /^Model:\s*(.+)$/m.exec(text)?.[1].trim() ?? 'NVIDIA GPU';
    });
  } catch {
    return [];
  }
}

function oldDriver(which: string): NoGpu {
  const { version: needed, cuda } = gpuPins.driver;
  return {
    why: `the NVIDIA driver ${which} is too old: ${needed} or newer is needed (CUDA ${cudaVersion(cuda)})`,
    remedy: 'update it',
  };
}

/** CUDA version as text: 12040 → '12.4'. */
export function cudaVersion(cuda: number): string {
  return `${Math.floor(cuda / 1000)}.${Math.floor((cuda % 1000) / 10)}`;
}

function downloadSize(): string {
  return `${(gpuPins.wheels.reduce((sum, { bytes }) => sum + bytes, 0) / 1e9).toFixed(1)} GB`;
}
