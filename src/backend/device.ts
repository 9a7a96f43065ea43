/** The option `device`. */
import { UserError } from '../core/errors.js';

/** A parsed value of `device`. */
export type Device = 'auto' | 'cpu' | { gpu: number };

/**
 * Parses `device`: undefined, 'auto', 'cpu', or a GPU (0, 'cuda', 'cuda:0'; −1: any).
 * @throws UserError 'bad-device' for an unknown or unsupported device, 'several-gpus' for more than one GPU
 */
export function readDevice(device: string | number | null | undefined): Device {
  const text = String(device ?? 'auto')
    .trim()
    .toLowerCase();
  if (text === '' || text === 'auto' || text === 'none') return 'auto';
  if (text === 'cpu') return 'cpu';
  const gpus = /^(?:(?:cuda|gpu)(?::(\d+))?|-1|\[?\s*(\d+(?:\s*,\s*\d+)*)\s*\]?)$/.exec(text);
  if (gpus) {
    const numbers = (gpus[1] ?? gpus[2] ?? '0').split(',').map(Number);
    if (numbers.length === 1) return { gpu: numbers[0] };
    throw new UserError('several-gpus', `device=${device}: one GPU computes at a time`, `Use device=${numbers[0]}.`);
  }
  if (/^(mps|npu|xpu|tpu|intel|dml|vulkan|webgpu)(:.*)?$/.test(text)) {
    throw new UserError('bad-device', `device=${device}: no engine of this tool uses it`, 'Use device=cpu.');
  }
  throw new UserError('bad-device', `device=${device} is no device`, 'Use device=auto, cpu, or the number of a GPU.');
}
