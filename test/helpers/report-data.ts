import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatasetImage } from '../../src/data/dataset.js';
import { confusionData, curveData, epochCharts, keyFigures, speedFacts } from '../../src/engine/report/figures.js';
import { collectImages } from '../../src/engine/report/images.js';
import type { Evaluation } from '../../src/engine/val/evaluate.js';
import { mistakesByKind } from '../../src/engine/val/mistakes.js';
import { encodeImage } from '../../src/image/codec.js';
import { createTally } from '../../src/metrics/tally.js';
import type { ReportData } from '../../src/render/report/data.js';

/** Rows x1 y1 x2 y2 confidence class and labels class cx cy w h of an image of 100 by 100. */
export interface SampleImage {
  name: string;
  detections: number[];
  labels: number[];
}

/** Image 0: a hit and a miss of class 0; image 1: class 1 taken for class 0, and a detection of nothing. */
export const SAMPLE: SampleImage[] = [
  { name: 'a.png', detections: [10, 10, 30, 30, 0.9, 0], labels: [0, 0.2, 0.2, 0.2, 0.2, 0, 0.8, 0.8, 0.2, 0.2] },
  {
    name: 'b.png',
    detections: [50, 50, 90, 90, 0.8, 0, 0, 0, 20, 20, 0.5, 1],
    labels: [1, 0.7, 0.7, 0.4, 0.4],
  },
];

/** The report of a validation of made-up images, which are written into `dir`. */
export async function sampleReport(
  dir: string,
  names: readonly string[],
  images: readonly SampleImage[] = SAMPLE,
): Promise<{ data: ReportData; evaluation: Evaluation }> {
  const tally = createTally(names);
  const collector = collectImages();
  const grey = { data: new Uint8Array(100 * 100 * 3).fill(128), width: 100, height: 100 };
  const file = await encodeImage(grey, 'png');
  for (const [index, { name, detections, labels }] of images.entries()) {
    const path = join(dir, name);
    writeFileSync(path, file);
    const transform = { ratioX: 1, ratioY: 1, padX: 0, padY: 0 };
    const rows = { detections: Float32Array.from(detections), labels: Float32Array.from(labels) };
    tally.add({ path, width: 100, height: 100, transform, ...rows });
    const image = { path, width: 100, height: 100, labels: rows.labels } as DatasetImage;
    collector.add({ image, index, detections: rows.detections });
  }
  const evaluation: Evaluation = {
    ...tally.finish(),
    speed: { preprocess: 1, inference: 2, postprocess: 1 },
    broken: [],
  };
  const confusion = confusionData(evaluation);
  const losses = { box_loss: 2, cls_loss: 3, dfl_loss: 1 };
  const metrics = { precision: 0.5, recall: 0.25, mAP50: 0.4, 'mAP50-95': 0.2 };
  const lr: [number, number, number] = [0.01, 0.01, 0.1];
  const data: ReportData = {
    mode: 'train',
    title: dir,
    state: 'finished',
    written: '2020-01-02T03:04:05.000Z',
    progress: { epoch: 2, epochs: 3, secondsPerEpoch: 60 },
    key: keyFigures(evaluation),
    charts: epochCharts([
      { epoch: 1, time: 60, train: losses, val: losses, metrics, lr },
      { epoch: 2, time: 130, train: losses, lr },
    ]),
    classes: evaluation.classes,
    all: evaluation,
    names: [...names],
    curves: curveData(evaluation),
    confusion,
    mistakes: evaluation.costs && mistakesByKind(evaluation),
    images: await collector.finish(evaluation, confusion, names),
    mistaken: 2,
    settings: [
      { key: 'epochs', value: '3', usual: '100', changed: true, help: 'passes' },
      { key: 'imgsz', value: '640', usual: '640', changed: false, help: 'size' },
    ],
    environment: [{ name: 'Node', value: '20' }],
    speed: speedFacts(evaluation.speed),
    command: "yolo train epochs=3 name='a b'",
  };
  return { data, evaluation };
}
