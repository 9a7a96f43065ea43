import { describe, expect, it } from 'vitest';
import { renderSvg } from '../../../src/image/codec.js';
import { quantityColor } from '../../../src/render/charts/colors.js';
import { confusionChart } from '../../../src/render/charts/confusion.js';
import { type CurvesChart, curvesChart } from '../../../src/render/charts/curves.js';
import { histogram, labelsChart } from '../../../src/render/charts/labels.js';
import { resultsChart, smooth } from '../../../src/render/charts/results.js';
import { classColorHex } from '../../../src/render/palette.js';
import { apart, elements, pixel, textsOf } from '../../helpers/drawing.js';

const words = (n: number): string[] =>
  Array.from({ length: n }, (_, i) => `thing ${String.fromCharCode(97 + (i % 26))}${i}`);

describe('confusion matrix', () => {
  const counts = [
    [40, 2, 1],
    [0, 10, 3],
    [10, 0, 0],
  ].flat();

  it('paints the cells that hold something, rows predicted, columns labelled', async () => {
    const chart = confusionChart({ names: ['cat', 'dog'], counts, normalized: false, title: 'Confusion' });
    const inside = elements(chart, 'rect').filter(({ width, height }) => width === height);
    expect(inside).toHaveLength(6);
    const [, second] = inside; // row 0, column 1
    const image = await renderSvg(chart);
    const at = (x: number, y: number) => pixel(image, Number(second.x) + x, Number(second.y) + y);
    const cell = Number(second.width);
    expect(apart(at(cell * 0.1, cell * 0.1), quantityColor(Math.log(2) / Math.log(40)))).toBeLessThan(3);
    expect(apart(at(-cell * 0.1, cell * 0.1), quantityColor(1))).toBeLessThan(3);
    expect(apart(at(-cell * 0.1, cell * 1.1), [255, 255, 255])).toBe(0);
    for (const word of ['Confusion', 'cat', 'dog', 'background', 'Predicted', 'Labelled', '40', '10'])
      expect(textsOf(chart, word).length, word).toBeGreaterThan(0);
  });

  it('normalized: parts of each column, empty columns stay empty', () => {
    const chart = confusionChart({ names: ['cat', 'dog'], counts, normalized: true, title: '' });
    for (const part of ['0.80', '0.20', '0.17', '0.83', '0.25', '0.75'])
      expect(textsOf(chart, part).length, part).toBeGreaterThan(0);
    const empty = confusionChart({ names: ['cat'], counts: [0, 5, 0, 0], normalized: true, title: '' });
    expect(elements(empty, 'rect').filter(({ width, height }) => width === height)).toHaveLength(1);
  });

  it.each([3, 80, 141])('%d classes: every name at both sides, at least 10 pixels high, none over another', (n) => {
    const names = words(n);
    const size = n + 1;
    const full = Float64Array.from({ length: size * size }, (_, i) => (i % size === Math.floor(i / size) ? 7 : 0));
    const chart = confusionChart({ names, counts: full, normalized: false, title: '' });
    const rows = names.map((name) => {
      const drawn = textsOf(chart, name);
      expect(drawn, name).toHaveLength(2);
      for (const { size: high } of drawn) expect(high).toBeGreaterThanOrEqual(10 - 0.01);
      return drawn[0].y;
    });
    for (let i = 1; i < n; i++) expect(rows[i] - rows[i - 1]).toBeGreaterThanOrEqual(textsOf(chart, names[i])[0].size);
    expect(textsOf(chart, '7')).toHaveLength(size + 1); // one at the colour bar
  });

  it('600 classes stay an image that can be opened', () => {
    const chart = confusionChart({
      names: words(600),
      counts: new Float64Array(601 * 601),
      normalized: false,
      title: '',
    });
    expect(Number(elements(chart, 'svg')[0].width)).toBeLessThan(3000);
  });
});

describe('curves', () => {
  const chartOf = (n: number): CurvesChart => ({
    title: 'F1 over confidence',
    xLabel: 'Confidence',
    yLabel: 'F1',
    figure: 'best F1',
    curves: words(n).map((name, i) => ({ class: i, name, values: [0, i / n, 0], figure: i / n })),
    mean: { label: 'all classes', values: [0, 0.5, 0] },
    mark: { x: 0.5, label: 'best at 0.5' },
  });
  const lines = (chart: string) => elements(chart, 'path').filter(({ fill }) => fill === 'none');

  it('3 classes: each with a look and a legend entry of its own, the mean thickest', () => {
    const chart = curvesChart(chartOf(3));
    const looks = lines(chart).map(({ stroke, 'stroke-dasharray': dash }) => `${stroke} ${dash}`);
    expect(new Set(looks).size).toBe(4);
    const widths = lines(chart).map((l) => Number(l['stroke-width']));
    expect(widths.at(-1)).toBe(Math.max(...widths));
    for (const word of ['thing a0', 'thing b1', 'thing c2', '0.333', '0.667', 'all classes', 'best at 0.5'])
      expect(textsOf(chart, word), word).toHaveLength(1);
  });

  it('20 classes differ in colour or dashes', () => {
    const looks = lines(curvesChart(chartOf(20))).map((l) => `${l.stroke} ${l['stroke-dasharray']}`);
    expect(new Set(looks).size).toBe(21);
  });

  it('80 classes: the best and the worst are named, 68 others are grey, all legible', () => {
    const chart = curvesChart(chartOf(80));
    const names = words(80);
    const named = names.filter((name) => textsOf(chart, name).length > 0);
    expect(named).toEqual([...names.slice(0, 6), ...names.slice(-6)]);
    for (const name of named) expect(textsOf(chart, name)[0].size).toBeGreaterThanOrEqual(10);
    expect(textsOf(chart, '68 others')).toHaveLength(1);
    expect(lines(chart)).toHaveLength(81);
  });

  it('draws a value where the axes say', async () => {
    const chart = curvesChart({ ...chartOf(1), mark: undefined, mean: { label: 'm', values: [0.5, 0.5] } });
    const [tick] = textsOf(chart, '0.5'); // of x: the first
    const level = textsOf(chart, '0.5')[1];
    const image = await renderSvg(chart, 2);
    expect(apart(pixel(image, (tick.x + 40) * 2, level.y * 2), [0, 0, 0])).toBeLessThan(20);
  });
});

describe('results', () => {
  const epochs = Array.from({ length: 12 }, (_, i) => i + 1);

  it('a panel a series with a point an epoch; what was not measured says so', () => {
    const chart = resultsChart(epochs, [
      { title: 'train/box_loss', values: epochs.map((e) => 1 / e) },
      { title: 'metrics/mAP50(B)', values: epochs.map(() => Number.NaN) },
    ]);
    expect(textsOf(chart, 'train/box_loss')).toHaveLength(1);
    expect(textsOf(chart, 'metrics/mAP50(B)')).toHaveLength(1);
    expect(textsOf(chart, 'not measured')).toHaveLength(1);
    const points = elements(chart, 'circle');
    expect(points).toHaveLength(12 + 1); // one in the legend
    const ys = points.slice(0, 12).map(({ cy }) => Number(cy));
    expect(ys).toEqual([...ys].sort((a, b) => a - b)); // a falling loss goes down in the image
  });

  it('epochs without validation leave a gap in nothing but the points', () => {
    const values = epochs.map((e) => (e % 3 ? Number.NaN : e));
    expect(elements(resultsChart(epochs, [{ title: 'x', values }]), 'circle')).toHaveLength(4 + 1);
  });

  it('one epoch is drawn, too', async () => {
    const image = await renderSvg(resultsChart([1], [{ title: 'x', values: [0.3] }]));
    expect(image.width).toBeGreaterThan(1000);
  });

  it('smoothing keeps a constant and flattens noise', () => {
    for (const v of smooth([2, 2, 2, 2])) expect(v).toBeCloseTo(2, 12);
    const noise = epochs.map((e) => (e % 2 ? 1 : -1));
    expect(Math.max(...smooth(noise).map(Math.abs))).toBeLessThan(0.2);
  });
});

describe('labels', () => {
  const names = ['cat', 'dog', 'eel'];
  const labels = Float32Array.from([
    ...[0, 0.25, 0.25, 0.5, 0.5],
    ...[0, 0.26, 0.26, 0.1, 0.1],
    ...[1, 0.75, 0.75, 0.2, 0.4],
    ...[0, 0.5, 0.1, 0.9, 0.2],
  ]);

  it('bars as high as the counts, in the colours of the classes; a class without objects is named', () => {
    const chart = labelsChart({ names, labels });
    const bar = (cls: number) => elements(chart, 'rect').find(({ fill }) => fill === classColorHex(cls));
    expect(Number(bar(0)?.height) / Number(bar(1)?.height)).toBeCloseTo(3, 1);
    expect(Number(bar(2)?.height)).toBe(0);
    for (const name of names) expect(textsOf(chart, name), name).toHaveLength(1);
    expect(textsOf(chart, 'Objects per class: 4 in all, 1 class without any')).toHaveLength(1);
  });

  it('80 names stand side by side without touching', () => {
    const many = words(80);
    const chart = labelsChart({ names: many, labels });
    const xs = many.map((name) => textsOf(chart, name)[0]);
    for (let i = 1; i < 80; i++) expect(xs[i].x - xs[i - 1].x).toBeGreaterThan(xs[i].size);
  });

  it('counts boxes by place, y downwards', () => {
    const bins = histogram([0.05, 0.06, 0.95, 1], [0.95, 0.9, 0.05, -0.1], 10);
    expect(bins[9 * 10 + 0]).toBe(2);
    expect(bins[0 * 10 + 9]).toBe(2);
    expect(bins.reduce((a, b) => a + b)).toBe(4);
  });
});
