/** Whether the device has bfloat16 instructions; without them TensorFlow emulates bfloat16, which is slower than float32. */
import { flagsOf, readCpuInfo } from './cpu-info.js';
import type { Engine } from './select-engine.js';

/** Flags of x86 (AVX-512 BF16, AMX) and arm64 processors, as Linux lists them. */
const FLAGS = ['avx512_bf16', 'amx_bf16', 'bf16'];
/** Minimum compute capability of NVIDIA GPUs with bfloat16 (Ampere), times ten. */
const GPU_CAPABILITY = 80;

/** @param gpu the GPU in use; undefined: the CPU @param cpuInfo text of /proc/cpuinfo; empty on systems without it */
export function hasBfloat16({ gpu }: Pick<Engine, 'gpu'>, cpuInfo = readCpuInfo()): boolean {
  if (gpu) return gpu.capability >= GPU_CAPABILITY;
  return flagsOf(cpuInfo).some((flag) => FLAGS.includes(flag));
}

/** Whether the device is known to lack them: elsewhere than on Linux, nothing is known about processors. */
export function lacksBfloat16(engine: Pick<Engine, 'gpu'>, cpuInfo = readCpuInfo()): boolean {
  return (!!engine.gpu || cpuInfo !== '') && !hasBfloat16(engine, cpuInfo);
}

/** Whether the processor computes, and has AMX with bfloat16: matrix instructions, many times as fast as those for float32. */
export function hasAmx({ gpu }: Pick<Engine, 'gpu'>, cpuInfo = readCpuInfo()): boolean {
  return !gpu && flagsOf(cpuInfo).includes('amx_bf16');
}
