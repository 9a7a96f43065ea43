/** The plots of a run, under the names that users of the `yolo` command know. Imported only where plots=true. */
import { join } from 'node:path';
import { messageOf } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { RgbImage } from '../../core/types.js';
import type { Dataset } from '../../data/dataset.js';
import { encodeImage, renderSvg } from '../../image/codec.js';
import { writeFileAtomic } from '../../io/files.js';
import { CURVE_POINTS, meanOverRows } from '../../metrics/ap.js';
import { CONFUSION_CONFIDENCE, CONFUSION_IOU } from '../../metrics/confusion.js';
import type { Metrics } from '../../metrics/tally.js';
import { confusionChart } from '../../render/charts/confusion.js';
import { type CurvesChart, curvesChart } from '../../render/charts/curves.js';
import { labelsChart } from '../../render/charts/labels.js';
import { resultsChart, type Series } from '../../render/charts/results.js';
import type { EpochRow } from '../train/results.js';
import type { EvaluatedImage, EvaluateObserver, Evaluation } from '../val/evaluate.js';
import { TILES, validationSheets } from './sheets.js';

/** Plots are drawn at twice their size: sharp on dense screens and in print. */
const SCALE = 2;

/** Draws something; a failure is told and goes no further, since no run should end for an image of it. */
async function drawn(what: string, draw: () => Promise<void>): Promise<void> {
  try {
    await draw();
  } catch (error) {
    log.warn(`${what} could not be drawn: ${messageOf(error)}`);
  }
}

/** @param chart gives the SVG */
function writePlot(dir: string, name: string, chart: () => string): Promise<void> {
  return drawn(name, async () => {
    const image = await renderSvg(chart(), SCALE);
    writeFileAtomic(join(dir, name), await encodeImage(image, name.endsWith('.png') ? 'png' : 'jpg'));
  });
}

/** Writes an image as JPEG; a failure is logged and goes no further. */
export function writeImage(dir: string, name: string, make: () => Promise<RgbImage>): Promise<void> {
  return drawn(name, async () => writeFileAtomic(join(dir, name), await encodeImage(await make(), 'jpg', 90)));
}

/** results.png */
export function writeResults(dir: string, rows: readonly EpochRow[]): Promise<void> {
  const column = (title: string, of: (row: EpochRow) => number | undefined): Series => ({
    title,
    values: rows.map((row) => of(row) ?? Number.NaN),
  });
  const chart = (): string =>
    resultsChart(
      rows.map(({ epoch }) => epoch),
      [
        column('train/box_loss', ({ train }) => train.box_loss),
        column('train/cls_loss', ({ train }) => train.cls_loss),
        column('train/dfl_loss', ({ train }) => train.dfl_loss),
        column('metrics/precision(B)', ({ metrics }) => metrics?.precision),
        column('metrics/recall(B)', ({ metrics }) => metrics?.recall),
        column('val/box_loss', ({ val }) => val?.box_loss),
        column('val/cls_loss', ({ val }) => val?.cls_loss),
        column('val/dfl_loss', ({ val }) => val?.dfl_loss),
        column('metrics/mAP50(B)', ({ metrics }) => metrics?.mAP50),
        column('metrics/mAP50-95(B)', ({ metrics }) => metrics?.['mAP50-95']),
      ],
    );
  return writePlot(dir, 'results.png', chart);
}

/** labels.jpg */
export function writeLabelsPlot(dir: string, { names, images }: Pick<Dataset, 'names' | 'images'>): Promise<void> {
  return writePlot(dir, 'labels.jpg', () => {
    const labels = new Float32Array(images.reduce((n, image) => n + image.labels.length, 0));
    let at = 0;
    for (const image of images) {
      labels.set(image.labels, at);
      at += image.labels.length;
    }
    return labelsChart({ names, labels });
  });
}

/** Confusion matrices and curves of a validation. */
function writeEvaluationPlots(dir: string, metrics: Metrics, names: readonly string[]): Promise<void> {
  return drawn('the plots of the validation', () => evaluationPlots(dir, metrics, names));
}

async function evaluationPlots(dir: string, metrics: Metrics, names: readonly string[]): Promise<void> {
  const { counts } = metrics.confusion;
  const seen = `confidence over ${CONFUSION_CONFIDENCE}, IoU over ${CONFUSION_IOU}`;
  const matrices = [false, true].map((normalized) => {
    const title = normalized ? `Confusion, parts of each column (${seen})` : `Confusion (${seen})`;
    const name = `confusion_matrix${normalized ? '_normalized' : ''}.png`;
    return writePlot(dir, name, () => confusionChart({ names, counts, normalized, title }));
  });
  const lines = Object.entries(curveCharts(metrics)).map(([name, chart]) =>
    writePlot(dir, name, () => curvesChart(chart)),
  );
  await Promise.all([...matrices, ...lines]);
}

/** The four charts of curves by file name. */
function curveCharts({ curves, classes, precision, recall, mAP50 }: Metrics): Record<string, CurvesChart> {
  const c = curves.classes.length;
  const mean = (values: Float64Array): Float64Array => meanOverRows(values, c, CURVE_POINTS);
  const lines = (values: Float64Array, figures: ArrayLike<number>): CurvesChart['curves'] =>
    classes.map(({ class: id, name }, i) => ({
      class: id,
      name,
      values: values.subarray(i * CURVE_POINTS, (i + 1) * CURVE_POINTS),
      figure: figures[i],
    }));
  const best = curves.bestConfidence;
  const f1 = curves.f1.reduce((sum, value) => sum + value, 0) / Math.max(c, 1);
  const over = { xLabel: 'Confidence', mark: { x: best, label: `best mean F1 at confidence ${best.toFixed(3)}` } };
  const at = (what: string): string => `${what} at ${best.toFixed(2)}`;
  return {
    'BoxPR_curve.png': {
      title: 'Precision over recall, IoU 0.5',
      xLabel: 'Recall',
      yLabel: 'Precision',
      figure: 'AP50',
      curves: lines(
        curves.precisionOverRecall,
        classes.map((row) => row.mAP50),
      ),
      mean: { label: `all classes, mAP50 ${mAP50.toFixed(3)}`, values: mean(curves.precisionOverRecall) },
    },
    'BoxF1_curve.png': {
      title: 'F1 over confidence',
      yLabel: 'F1',
      ...over,
      figure: at('F1'),
      curves: lines(curves.curves.f1, curves.f1),
      mean: { label: `all classes, F1 ${f1.toFixed(3)}`, values: mean(curves.curves.f1) },
    },
    'BoxP_curve.png': {
      title: 'Precision over confidence',
      yLabel: 'Precision',
      ...over,
      figure: at('P'),
      curves: lines(curves.curves.precision, curves.precision),
      mean: { label: `all classes, P ${precision.toFixed(3)}`, values: mean(curves.curves.precision) },
    },
    'BoxR_curve.png': {
      title: 'Recall over confidence',
      yLabel: 'Recall',
      ...over,
      figure: at('R'),
      curves: lines(curves.curves.recall, curves.recall),
      mean: { label: `all classes, R ${recall.toFixed(3)}`, values: mean(curves.curves.recall) },
    },
  };
}

/**
 * The plots of a validation: confusion matrices, curves, and the first images of its first three batches as
 * val_batchN_labels.jpg and val_batchN_pred.jpg.
 */
export class ValPlots implements EvaluateObserver {
  private readonly sheets: EvaluatedImage[][] = [[], [], []];
  private seen = 0;

  /** @param batch images of a batch */
  constructor(
    private readonly dir: string,
    private readonly names: readonly string[],
    private readonly batch: number,
  ) {}

  onImage(evaluated: EvaluatedImage): void {
    const sheet = this.sheets[Math.floor(this.seen++ / this.batch)];
    if (sheet && sheet.length < TILES) sheet.push(evaluated);
  }

  async onEnd(evaluation: Evaluation): Promise<void> {
    const { dir, names } = this;
    await writeEvaluationPlots(dir, evaluation, names);
    for (const [i, evaluated] of this.sheets.entries()) {
      if (!evaluated.length) continue;
      await drawn(`val_batch${i}`, async () => {
        const { labels, pred } = await validationSheets(evaluated, names, CONFUSION_CONFIDENCE);
        await writeImage(dir, `val_batch${i}_labels.jpg`, async () => labels);
        await writeImage(dir, `val_batch${i}_pred.jpg`, async () => pred);
      });
    }
  }
}
