/** Figures of an evaluation and rows of a run, put into the form that the report shows. */
import { CURVE_POINTS, meanOverRows } from '../../metrics/ap.js';
import type { Chart, ChartData, ConfusionData, CurveData, Fact } from '../../render/report/data.js';
import type { EpochRow } from '../train/results.js';
import type { Evaluation } from '../val/evaluate.js';

/** Every tenth of the thousand points: a pixel of a chart is wider than that. */
const POINTS = 101;
/** Curves of this many classes fit into the page; of more, those with the most objects are kept. */
const MAX_CLASSES = 300;

/** The curves over the epochs. */
export function epochCharts(rows: readonly EpochRow[]): ChartData {
  const metric = (name: keyof NonNullable<EpochRow['metrics']>) => ({
    name,
    values: rows.map(({ metrics }) => finite(metrics?.[name])),
  });
  const loss = (name: keyof EpochRow['train']): Chart => ({
    title: name.replace('_', ' '),
    better: 'lower',
    series: [
      { name: 'training', values: rows.map(({ train }) => finite(train[name])) },
      { name: 'validation', values: rows.map(({ val }) => finite(val?.[name])) },
    ],
  });
  const groups = ['weights', 'BatchNorm', 'biases'];
  const seconds = rows.map(({ time }, i) => finite(time - (rows[i - 1]?.time ?? 0)));
  return {
    xLabel: 'epoch',
    x: rows.map(({ epoch }) => epoch),
    charts: [
      { title: 'mAP', better: 'higher', series: [metric('mAP50-95'), metric('mAP50')] },
      { title: 'Precision and recall', better: 'higher', series: [metric('precision'), metric('recall')] },
      loss('box_loss'),
      loss('cls_loss'),
      loss('dfl_loss'),
      {
        title: 'Learning rate',
        series: groups.map((name, g) => ({ name, values: rows.map(({ lr }) => finite(lr[g])) })),
      },
      { title: 'Seconds an epoch', series: [{ name: 'seconds', values: seconds }] },
    ],
  };
}

/** Six significant digits; null for what is not there or no number. */
function finite(value: number | undefined): number | null {
  return value === undefined || !Number.isFinite(value) ? null : Number(value.toPrecision(6));
}

/** @returns undefined when there is no class with labels */
export function curveData({ curves, classes }: Pick<Evaluation, 'curves' | 'classes'>): CurveData | undefined {
  const count = curves.classes.length;
  if (!count) return undefined;
  const kept = [...curves.classes.keys()]
    .sort((a, b) => classes[b].instances - classes[a].instances)
    .slice(0, MAX_CLASSES);
  kept.sort((a, b) => a - b);
  const row = (values: Float64Array, c: number): number[] =>
    thinned(values.subarray(c * CURVE_POINTS, (c + 1) * CURVE_POINTS));
  const average = (values: Float64Array): number[] => thinned(meanOverRows(values, count, CURVE_POINTS));
  const { precision, recall, f1 } = curves.curves;
  return {
    points: POINTS,
    classes: kept.map((c) => curves.classes[c]),
    precision: kept.map((c) => row(precision, c)),
    recall: kept.map((c) => row(recall, c)),
    precisionOverRecall: kept.map((c) => row(curves.precisionOverRecall, c)),
    mean: {
      precision: average(precision),
      recall: average(recall),
      f1: average(f1),
      precisionOverRecall: average(curves.precisionOverRecall),
    },
    best: curves.bestConfidence,
  };
}

/** @returns [101] in thousandths, of [1000] */
function thinned(values: Float64Array): number[] {
  const last = values.length - 1;
  return Array.from({ length: POINTS }, (_, i) => Math.round(1000 * values[Math.round((i / (POINTS - 1)) * last)]));
}

/** Without images; report-images puts them in. */
export function confusionData({ confusion: { nc, counts } }: Pick<Evaluation, 'confusion'>): ConfusionData {
  const cells: ConfusionData['cells'] = [];
  counts.forEach((count, at) => {
    if (count > 0) cells.push([Math.floor(at / (nc + 1)), at % (nc + 1), count]);
  });
  return { nc, cells, shown: {}, others: {} };
}

/** The figures at the top. */
export function keyFigures(evaluation: Evaluation): Fact[] {
  const { mAP50, precision, recall, images, instances } = evaluation;
  const facts: [string, string][] = [
    ['mAP50-95', evaluation['mAP50-95'].toFixed(3)],
    ['mAP50', mAP50.toFixed(3)],
    ['Precision', precision.toFixed(3)],
    ['Recall', recall.toFixed(3)],
    ['Images', String(images)],
    ['Objects', String(instances)],
  ];
  return facts.map(([name, value]) => ({ name, value }));
}

/** Milliseconds an image, by stage. */
export function speedFacts({ preprocess, inference, postprocess }: Evaluation['speed']): Fact[] {
  const ms = (value: number): string => `${value.toFixed(1)} ms an image`;
  return [
    { name: 'Validation: preparing images', value: ms(preprocess) },
    { name: 'Validation: network', value: ms(inference) },
    { name: 'Validation: boxes and matching', value: ms(postprocess) },
    { name: 'Validation: images a second', value: (1000 / (preprocess + inference + postprocess)).toFixed(1) },
  ];
}
