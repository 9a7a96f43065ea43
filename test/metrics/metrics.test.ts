import { describe, expect, it } from 'vitest';
import { averagePrecision, mean } from '../../src/metrics/ap.js';
import { cocoFigures } from '../../src/metrics/coco.js';
import { addToConfusion, confusionMatrix } from '../../src/metrics/confusion.js';
import { T, truePositives } from '../../src/metrics/match.js';
import { expectClose } from '../helpers/close.js';
import { golden, pick } from '../helpers/golden.js';

const g = golden('metrics');
const detections = pick(g, 'detections').data as Float32Array;
const labels = pick(g, 'labels').data as Float32Array;
const detectionImage = pick(g, 'detections.image').data as Int32Array;
const labelImage = pick(g, 'labels.image').data as Int32Array;
const images = Math.max(...detectionImage, ...labelImage) + 1;
const nc = Math.max(...(pick(g, 'classes').data as Int32Array)) + 1;

/** Detections and labels of each image. */
const perImage = Array.from({ length: images }, (_, image) => ({
  detections: detections.filter((_, i) => detectionImage[Math.floor(i / 6)] === image),
  labels: labels.filter((_, i) => labelImage[Math.floor(i / 5)] === image),
}));

describe('golden metrics', () => {
  const tp = Uint8Array.from(perImage.flatMap((p) => [...truePositives(p.detections, p.labels)]));
  const labelCounts = new Array<number>(nc).fill(0);
  for (let i = 0; i < labels.length; i += 5) labelCounts[labels[i]]++;
  const result = averagePrecision({
    tp,
    confidence: detections.filter((_, i) => i % 6 === 4),
    classes: detections.filter((_, i) => i % 6 === 5),
    labelCounts,
  });
  const count = result.classes.length;

  it('matches detections with labels exactly as golden tp', () => {
    const want = pick(g, 'tp');
    expect(want.shape).toEqual([detections.length / 6, T]);
    expect([...tp]).toEqual([...want.data]);
  });

  it('gives golden P, R, F1 and AP per class within 1e-6', () => {
    expect(result.classes).toEqual([...pick(g, 'classes').data]);
    const atol = 1e-6;
    expectClose({ shape: [count], data: result.precision }, pick(g, 'p') as never, { atol, label: 'p' });
    expectClose({ shape: [count], data: result.recall }, pick(g, 'r') as never, { atol, label: 'r' });
    expectClose({ shape: [count], data: result.f1 }, pick(g, 'f1') as never, { atol, label: 'f1' });
    expectClose({ shape: [count, T], data: result.ap }, pick(g, 'ap') as never, { atol, label: 'ap' });
    expect(mean(result.ap)).toBeCloseTo(g.meta.map, 6);
    expect(mean(result.ap.filter((_, i) => i % T === 0))).toBeCloseTo(g.meta.map50, 6);
  });

  it("gives golden COCO figures within 1e-6 by COCO's own rules", () => {
    const figures = cocoFigures(perImage, nc);
    const { AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl } = figures;
    const data = [AP, AP50, AP75, APs, APm, APl, AR1, AR10, AR100, ARs, ARm, ARl];
    expectClose({ shape: [12], data }, pick(g, 'coco.stats') as never, { atol: 1e-6, label: 'coco.stats' });
  });

  it('golden labels all stand in the confusion matrix once, sure detections too', () => {
    const matrix = confusionMatrix(nc);
    for (const p of perImage) addToConfusion(matrix, p.detections, p.labels);
    const cell = (row: number, column: number): number => matrix.counts[row * (nc + 1) + column];
    const columns = Array.from({ length: nc }, (_, c) => Array.from({ length: nc + 1 }, (_, r) => cell(r, c)));
    expect(columns.map((column) => column.reduce((a, b) => a + b))).toEqual(labelCounts);
    const sure = detections.filter((value, i) => i % 6 === 4 && value > 0.25).length;
    let predicted = 0;
    for (let r = 0; r < nc; r++) for (let c = 0; c <= nc; c++) predicted += cell(r, c);
    expect(predicted).toBe(sure);
  });
});

describe('averagePrecision', () => {
  it('is 1 for perfect detections and 0 without any', () => {
    const tp = new Uint8Array(T).fill(1);
    const perfect = averagePrecision({ tp, confidence: new Float32Array([0.9]), classes: [1], labelCounts: [0, 1] });
    expect(perfect.classes).toEqual([1]);
    expect(mean(perfect.ap)).toBeCloseTo(0.995, 2);
    expect(perfect.precision[0]).toBe(1);
    const none = averagePrecision({
      tp: new Uint8Array(0),
      confidence: new Float32Array(0),
      classes: [],
      labelCounts: [4, 0],
    });
    expect([mean(none.ap), none.recall[0]]).toEqual([0, 0]);
    const empty = averagePrecision({
      tp: new Uint8Array(0),
      confidence: new Float32Array(0),
      classes: [],
      labelCounts: [0],
    });
    expect(empty.classes).toEqual([]);
  });
});

describe('confusionMatrix', () => {
  it('pairs by overlap, whatever the class, and leaves unsure detections out', () => {
    const matrix = confusionMatrix(2);
    const found = [0, 0, 10, 10, 0.9, 1, 50, 50, 60, 60, 0.8, 0, 0, 0, 10, 10, 0.2, 0];
    addToConfusion(matrix, new Float32Array(found), new Float32Array([0, 0, 0, 10, 9, 1, 80, 80, 90, 90]));
    // rows: predicted 0, 1, background; columns: true 0, 1, background
    expect([...matrix.counts]).toEqual([0, 0, 1, 1, 0, 0, 0, 1, 0]);
  });
});
