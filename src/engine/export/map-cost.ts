/** What 8-bit weights cost: mAP of the original and of the export over a dataset, at the same size of image. */
import type { Split } from '../../core/choices.js';
import { log } from '../../core/log.js';
import { openDataset } from '../../data/dataset.js';
import type { Detector } from '../../detect/detector.js';
import { evaluate } from '../val/evaluate.js';
import { loaderFor } from '../val/predictions.js';

/** Figures of both models. */
export interface MapCost {
  original: Figures;
  exported: Figures;
}

interface Figures {
  mAP: number;
  mAP50: number;
}

/** On which images the two are compared. */
export interface CostOptions {
  data: string;
  split: Split;
  imgsz: [height: number, width: number];
  batch: number;
  signal?: AbortSignal;
}

/** Validates both, one after the other. @param open gives a detector, which is disposed of here @throws Interrupted */
export async function mapCost(
  open: Record<keyof MapCost, () => Promise<Detector>>,
  { data, split, imgsz, batch, signal }: CostOptions,
): Promise<MapCost> {
  const dataset = await openDataset(data, split);
  log.info(`mAP over ${dataset.images.length} images, of the original and of the export …`);
  const measure = async (which: keyof MapCost): Promise<Figures> => {
    const detector = await open[which]();
    try {
      const options = { imgsz: Math.max(...imgsz), batch, rect: false, signal };
      const { stride, fixedBatch } = detector;
      // Both get images of the export's shape: rectangles would be another measurement.
      const loader = loaderFor(dataset, options, { stride, fixedBatch, fixedShape: imgsz });
      const { mAP50, 'mAP50-95': mAP } = await evaluate(detector, dataset, options, loader);
      return { mAP, mAP50 };
    } finally {
      detector.dispose();
    }
  };
  const original = await measure('original');
  const exported = await measure('exported');
  const part = (key: 'mAP' | 'mAP50') =>
    `${original[key].toFixed(4)} → ${exported[key].toFixed(4)} (${signed(exported[key] - original[key])})`;
  log.info(`mAP50-95 ${part('mAP')}, mAP50 ${part('mAP50')}`);
  return { original, exported };
}

function signed(x: number): string {
  return `${x < 0 ? '−' : '+'}${Math.abs(x).toFixed(4)}`;
}
