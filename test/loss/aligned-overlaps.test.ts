/** The op AlignedOverlaps (native/fused) in the assignment of a compiled graph, against the same composed of ops of tfjs. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { rng } from '../../src/core/rng.js';
import { loadedTensorflow } from '../../src/graph/tensorflow.js';
import { assign } from '../../src/loss/tal.js';
import { anchorsOf } from '../../src/nn/head.js';
import { compile } from '../helpers/compile.js';
import { native } from '../helpers/native.js';

beforeAll(native);

const LEVELS: [number, number][] = [
  [12, 20],
  [6, 10],
  [3, 5],
];
const STRIDES = [8, 16, 32];
const K = 3;

type Boxes = number[][];

/** Predictions near the labels of each image, and elsewhere; [x1, y1, x2, y2] in pixels of an image of 160 x 96. */
function inputs(images: { boxes: Boxes; slots: number }[]) {
  const random = rng(3);
  const { points, strides } = anchorsOf(LEVELS, STRIDES);
  const a = strides.length;
  const px = tf.mul(tf.tensor2d(points, [a, 2]), tf.tensor2d(strides, [a, 1]));
  const xy = px.dataSync();
  const predicted = images.flatMap(({ boxes }) =>
    Array.from({ length: a }, (_, i) => {
      const near = boxes.find(
        ([x1, y1, x2, y2]) => xy[2 * i] > x1 && xy[2 * i] < x2 && xy[2 * i + 1] > y1 && xy[2 * i + 1] < y2,
      );
      const box = near ?? [xy[2 * i] - 9, xy[2 * i + 1] - 7, xy[2 * i] + 9, xy[2 * i + 1] + 7];
      return box.map((side) => side + random.uniform(-6, 6));
    }),
  );
  const slots = Math.max(...images.map((image) => image.slots));
  const padded = images.map(({ boxes }) => [...boxes, ...Array<number[]>(slots - boxes.length).fill([0, 0, 0, 0])]);
  const scores = Float32Array.from({ length: images.length * a * K }, () => random.uniform(-6, 4));
  return {
    boxesPx: tf.tensor3d(predicted.flat(), [images.length, a, 4]),
    scores: tf.tensor3d(scores, [images.length, a, K]),
    points: px,
    truth: tf.tensor3d(padded),
    classes: tf.tensor2d(
      padded.map((boxes) => boxes.map((_, i) => i % K)),
      undefined,
      'int32',
    ),
    mask: tf.tensor2d(images.map(({ boxes }) => Array.from({ length: slots }, (_, i) => (i < boxes.length ? 1 : 0)))),
  };
}

type Inputs = ReturnType<typeof inputs>;

const assigned = ({ boxesPx, scores, points, truth, classes, mask }: Inputs) =>
  assign({ boxesPx, scores, points }, { boxesPx: truth, classes, mask });

/** Of the positive slots: index, anchor point, label, share and score. */
function positives({ anchors, labels, share, score }: ReturnType<typeof assigned>): number[][] {
  const columns = [anchors, labels, share, score].map((x) => x.dataSync());
  return Array.from(columns[0], (_, i) => [i, ...columns.map((column) => column[i])]).filter(
    ([, , , part]) => part > 0,
  );
}

const CASES: Record<string, { boxes: Boxes; slots: number }[]> = {
  'labels that overlap, padding': [
    {
      boxes: [
        [10, 10, 80, 70],
        [30, 20, 120, 90],
        [100, 5, 150, 60],
      ],
      slots: 8,
    },
    { boxes: [[60, 30, 90, 50]], slots: 8 },
  ],
  'smaller than a cell, without height, at the border': [
    {
      boxes: [
        [50, 50, 54, 53],
        [20, 30, 60, 30],
        [140, 80, 160, 96],
        [0, 0, 9, 40],
      ],
      slots: 4,
    },
  ],
  'an image without labels': [
    { boxes: [], slots: 2 },
    { boxes: [[0, 0, 160, 96]], slots: 2 },
  ],
};

describe('compiled assignment', () => {
  it.each(Object.keys(CASES))('%s: as the eager one', (name) => {
    const given = inputs(CASES[name]);
    const compiled = compile(assigned);
    const ops = compiled.prepare(given).nodes.map(({ op }) => op);
    if (loadedTensorflow()!.ops.length > 0) expect(ops).toContain('AlignedOverlaps');
    const want = positives(tf.tidy(() => assigned(given)));
    const got = positives(compiled(given));
    expect(want.length).toBeGreaterThan(0);
    expect(got.map((row) => row.slice(0, 4))).toEqual(want.map((row) => row.slice(0, 4)));
    got.forEach(([, , , , score], i) => void expect(score).toBeCloseTo(want[i][4], 5));
  });
});
