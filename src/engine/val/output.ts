/** What validation writes: metrics.json and errors.json; predictions.json, labels/*.txt and images on request. */

import { mkdirSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import type { ValConfig } from '../../cfg/schema.js';
import { DETECTION, labelText, xyxyToLtwh } from '../../core/boxes.js';
import { categoryIds, imageId } from '../../core/coco-ids.js';
import type { Dataset } from '../../data/dataset.js';
import { writeFileAtomic } from '../../io/files.js';
import { CONFUSION_CONFIDENCE } from '../../metrics/confusion.js';
import type { EvaluatedImage, EvaluateObserver, Evaluation } from './evaluate.js';
import { mistakesByKind } from './mistakes.js';
import { writeEvaluatedImage } from './visualize.js';

/** The object that `json=true` prints and metrics.json holds. */
export interface ValSummary
  extends Pick<
    Evaluation,
    'images' | 'instances' | 'precision' | 'recall' | 'mAP50' | 'mAP50-95' | 'classes' | 'coco' | 'speed'
  > {
  loss?: { box_loss: number; cls_loss: number; dfl_loss: number };
  /** With shard=i/n: the part that the figures are of. */
  shard?: string;
  save_dir: string;
}

/** The figures of an evaluation for programs. @param saveDir the run folder */
export function summarizeEvaluation(evaluation: Evaluation, saveDir: string): ValSummary {
  const { images, instances, precision, recall, mAP50, classes, coco, loss, speed } = evaluation;
  return {
    images,
    instances,
    precision,
    recall,
    mAP50,
    'mAP50-95': evaluation['mAP50-95'],
    classes,
    coco,
    ...(loss && { loss: { box_loss: loss[0], cls_loss: loss[1], dfl_loss: loss[2] } }),
    speed,
    save_dir: saveDir,
  };
}

/** Writes the files of a validation that `config` asks for, and those that are always written. */
export class ValOutput implements EvaluateObserver {
  private readonly results: CocoResult[] = [];

  constructor(
    private readonly dir: string,
    private readonly config: Pick<ValConfig, 'save_json' | 'save_txt' | 'save_conf' | 'visualize'>,
    private readonly names: readonly string[],
  ) {}

  async onImage(image: EvaluatedImage): Promise<void> {
    const { dir, config, names } = this;
    if (config.save_json) this.results.push(...cocoResults(image, names));
    if (config.save_txt) writeLabels(dir, image, config.save_conf);
    if (config.visualize) await writeEvaluatedImage(dir, image, names);
  }

  onEnd(evaluation: Evaluation): void {
    const { dir } = this;
    if (this.config.save_json) writeFileAtomic(join(dir, 'predictions.json'), `${JSON.stringify(this.results)}\n`);
    const summary = summarizeEvaluation(evaluation, dir);
    writeFileAtomic(join(dir, 'metrics.json'), `${JSON.stringify(summary, null, 2)}\n`);
    writeErrors(dir, evaluation);
  }
}

/** errors.json: every mistake at the confidence that a user sees, worst images first, and what each kind costs. */
function writeErrors(dir: string, evaluation: Evaluation): void {
  const { perImage, broken } = evaluation;
  const kinds = mistakesByKind(evaluation).map(({ kind, count, cost, meaning }) => ({
    kind,
    count,
    mAP50_cost: cost,
    meaning,
  }));
  const head = JSON.stringify({ confidence: CONFUSION_CONFIDENCE, iou: 0.5, kinds, broken }, null, 2);
  // One image a line: the file stays readable and searchable with thousands of them.
  const lines = perImage.map((figures) => `    ${JSON.stringify(figures)}`).join(',\n');
  writeFileAtomic(join(dir, 'errors.json'), `${head.slice(0, -2)},\n  "images": [\n${lines}\n  ]\n}\n`);
}

/** Rows for predictions.json (cocodataset.org, "Results format"). */
interface CocoResult {
  image_id: number | string;
  file_name: string;
  category_id: number;
  /** x, y, w, h in pixels of the original image. */
  bbox: number[];
  score: number;
}

function cocoResults({ image, detections }: EvaluatedImage, names: readonly string[]): CocoResult[] {
  const ids = categoryIds(names);
  const rows: CocoResult[] = [];
  const round = (value: number, digits: number): number => Number(value.toFixed(digits));
  for (let i = 0; i < detections.length; i += DETECTION) {
    const [x1, y1, x2, y2, score, id] = detections.subarray(i, i + DETECTION);
    rows.push({
      image_id: imageId(basename(image.path, extname(image.path))),
      file_name: basename(image.path),
      category_id: ids[id] ?? id,
      bbox: xyxyToLtwh([x1, y1, x2, y2]).map((value) => round(value, 3)),
      score: round(score, 6),
    });
  }
  return rows;
}

/** labels/<stem>.txt: `class cx cy w h [conf]`, 0..1; the file of an image without detections is not written. */
function writeLabels(dir: string, { image, detections }: EvaluatedImage, withConf: boolean): void {
  if (!detections.length) return;
  const folder = join(dir, 'labels');
  mkdirSync(folder, { recursive: true });
  const lines: string[] = [];
  for (let i = 0; i < detections.length; i += DETECTION) {
    const [x1, y1, x2, y2, score, id] = detections.subarray(i, i + DETECTION);
    lines.push(labelText(id, [x1, y1, x2, y2], image, withConf ? score : undefined));
  }
  writeFileAtomic(join(folder, `${basename(image.path, extname(image.path))}.txt`), `${lines.join('\n')}\n`);
}

/** How the classes of model and dataset differ; undefined when they are the same. */
export function nameMismatch(model: readonly string[], { names }: Pick<Dataset, 'names'>): string | undefined {
  if (model.length === names.length && model.every((name, i) => name === names[i])) return undefined;
  const first = names.findIndex((name, i) => name !== model[i]);
  if (model.length !== names.length) return `the model has ${model.length} classes, the dataset ${names.length}`;
  return `class ${first} is '${model[first]}' to the model and '${names[first]}' in the dataset`;
}
