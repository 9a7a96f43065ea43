/**
 * Graphics processors: whether one is there, and what the user asked for with `device`. The engine that the set-up builds
 * computes on the CPU; a GPU is used only by tfjs-node-gpu's own binary with the CUDA it was built for.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { UserError } from '../core/errors.js';

const DRIVER = '/proc/driver/nvidia/gpus';

/** What `device` asks for. */
export type DeviceWish = 'auto' | 'cpu' | 'gpu';

/**
 * Reads `device`: nothing, 'auto', 'cpu', or a GPU in one of the usual spellings (0, '0,1', 'cuda', 'cuda:0').
 * @throws UserError for a value that names no device, and for devices that no engine here knows
 */
export function readDevice(device: string | number | null | undefined): DeviceWish {
  const text = String(device ?? 'auto')
    .trim()
    .toLowerCase();
  if (text === '' || text === 'auto' || text === 'none') return 'auto';
  if (text === 'cpu') return 'cpu';
  if (/^(cuda(:\d+)?|gpu|-1|\d+(\s*,\s*\d+)*|\[[\d\s,]+\])$/.test(text)) return 'gpu';
  if (/^(mps|npu|xpu|tpu|intel|dml|vulkan|webgpu)(:.*)?$/.test(text)) {
    throw new UserError('bad-device', `device=${device}: no engine of this tool uses it`, 'Use device=cpu.');
  }
  throw new UserError('bad-device', `device=${device} is no device`, 'Use device=auto, cpu, or the number of a GPU.');
}

/**
 * The NVIDIA GPU of this machine, by its name. Linux: what the driver shows in /proc, at no cost; elsewhere nvidia-smi is
 * asked, if `ask` allows the half second that it takes.
 */
export function findNvidia(ask = false): string | undefined {
  if (existsSync(DRIVER)) {
    for (const slot of readdirSync(DRIVER)) {
      const model = /^Model:\s*(.+)$/m.exec(readFileSync(`${DRIVER}/${slot}/information`, 'utf8'))?.[1];
      return model?.trim() ?? 'NVIDIA GPU';
    }
  }
  if (!ask) return undefined;
  const smi = spawnSync('nvidia-smi', ['--query-gpu=name', '--format=csv,noheader'], {
    encoding: 'utf8',
    timeout: 5000,
  });
  return smi.status === 0 ? smi.stdout.split('\n')[0].trim() || undefined : undefined;
}
