/**
 * Starts to load TensorFlow while the command's modules are loaded and its files are read. selectEngine waits for it; what
 * fails here is reported there.
 */
import { type Device, readDevice } from '../backend/device.js';
import { wantsGpu } from '../backend/gpu.js';
import { decideOnednn } from '../backend/onednn.js';
import { loadTensorflowAhead, tensorflowFiles } from '../graph/tensorflow.js';
import { loadCodecAddon } from '../image/codec-addon.js';

/**
 * No effect if another engine may be selected.
 * @param device as in EngineOptions @param onednn as there
 */
export async function startEngineAhead(device: string | undefined, onednn: boolean): Promise<void> {
  if (process.env.YOLO_ENGINE === 'wasm' || mayUseGpu(device)) return;
  try {
    const files = tensorflowFiles();
    if (!files) return;
    // Before it, because the system's loader opens one library after the other: sharp's would wait for TensorFlow's.
    decideOnednn(onednn);
    if (!loadCodecAddon()) await import('../image/codec.js');
    loadTensorflowAhead(files);
  } catch {
    // for example an addon that does not load: whoever needs it says so
  }
}

function mayUseGpu(text: string | undefined): boolean {
  let device: Device;
  try {
    device = readDevice(text);
  } catch {
    return true; // not a device: nothing will be computed
  }
  return device === 'auto' ? wantsGpu() : device !== 'cpu';
}
