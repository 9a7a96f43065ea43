/**
 * oneDNN on processors with AVX2 but without AVX-512. There TensorFlow uses it only if they have AVX-VNNI, but a training step and a
 * validation take less time and memory with it; oneDNN's kernels for convolutions with bias, which TensorFlow makes of exported
 * models, take twice the time of its own.
 */
import { loadedTensorflow } from '../graph/tensorflow.js';
import { flagsOf, readCpuInfo } from './cpu-info.js';

/**
 * Decides for this process, unless TensorFlow is loaded or the user has decided. No effect on other processors, and where nothing is
 * known about the processor.
 * @param gains whether it is a process for training, or for validation with weights
 */
export function decideOnednn(gains: boolean, cpuInfo = readCpuInfo()): void {
  const flags = flagsOf(cpuInfo);
  if (loadedTensorflow() || !flags.includes('avx2') || flags.includes('avx512f')) return;
  process.env.TF_ENABLE_ONEDNN_OPTS ??= gains ? '1' : '0';
}
