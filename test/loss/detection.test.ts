import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { compile } from '../../src/graph/compile.js';
import { ensureGradients } from '../../src/graph/gradients.js';
import { detectionLoss, type Labels, type LossOptions } from '../../src/loss/detection.js';
import { assign } from '../../src/loss/tal.js';
import { anchorsOf, expectedDistances, type HeadOutput, levelsOf } from '../../src/nn/head.js';
import { useNative } from '../../src/nn/native.js';
import { type Arrayish, expectClose } from '../helpers/close.js';
import { golden, pick } from '../helpers/golden.js';

const g = golden('loss');
const want = (name: string) => pick(g, name) as Arrayish;
const [height, width] = g.meta.imgsz;
const strides: number[] = g.meta.strides;
const levels = levelsOf(height, width, strides);
const gains = g.meta.gains;
const [B, K, A] = want('scores').shape;

const tensor = (name: string) => tf.tensor(want(name).data as Float32Array, [...want(name).shape]);
const goldenHead = (): HeadOutput =>
  head(tf.transpose(tensor('boxes'), [0, 2, 1]), tf.transpose(tensor('scores'), [0, 2, 1]));
const head = (boxes: tf.Tensor, scores: tf.Tensor): HeadOutput => ({
  boxes: boxes as tf.Tensor3D,
  scores: scores as tf.Tensor3D,
  levels,
  strides,
});

type Row = [cls: number, x1: number, y1: number, x2: number, y2: number];

/** Rows of each picture, in pixels, from the golden file; `index` gives the place of a row within its picture. */
function goldenRows(): Row[][] {
  const rows: Row[][] = Array.from({ length: B }, () => []);
  const box = want('bboxes').data;
  for (let i = 0; i < want('cls').data.length; i++) {
    const [cx, cy, w, h] = [box[4 * i], box[4 * i + 1], box[4 * i + 2], box[4 * i + 3]].map(
      (v, j) => v * (j % 2 ? height : width),
    );
    rows[want('batch_idx').data[i]].push([want('cls').data[i], cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]);
  }
  return rows;
}

function labelsOf(rows: Row[][], m = Math.max(1, ...rows.map((r) => r.length))): Labels {
  const b = rows.length;
  const [boxes, classes, mask] = [new Float32Array(b * m * 4), new Int32Array(b * m), new Float32Array(b * m)];
  for (const [i, list] of rows.entries())
    for (const [j, [c, ...box]] of list.entries()) {
      boxes.set(box, (i * m + j) * 4);
      classes[i * m + j] = c;
      mask[i * m + j] = 1;
    }
  return {
    boxesPx: tf.tensor3d(boxes, [b, m, 4]),
    classes: tf.tensor2d(classes, [b, m], 'int32'),
    mask: tf.tensor2d(mask, [b, m]),
  };
}

/** Loss and gradients by boxes [B, A, 64] and scores [B, A, K]. */
function lossAndGradients({ boxes, scores }: HeadOutput, labels: Labels, options: LossOptions = { gains }) {
  let items: tf.Tensor | undefined;
  const { value, grads } = tf.valueAndGrads((b, s) => {
    const loss = detectionLoss(head(b, s), labels, options);
    items = tf.keep(loss.items);
    return loss.total;
  })([boxes, scores]);
  return { total: value, items: items!, boxes: grads[0], scores: grads[1] };
}

const read = (t: tf.Tensor) => ({ shape: t.shape, data: t.dataSync() });
const back = (t: tf.Tensor) => read(tf.transpose(t, [0, 2, 1]));

beforeAll(async () => {
  await useNative();
  ensureGradients();
});

describe('assignment', () => {
  it('golden loss: anchors, labels, target scores', () => {
    tf.tidy(() => {
      const { points, strides: strideOf } = anchorsOf(levels, strides);
      const { boxes, scores } = goldenHead();
      const s = tf.tensor2d(strideOf, [A, 1]);
      const p = tf.tensor2d(points, [A, 2]);
      const [lt, rb] = tf.split(tf.reshape(expectedDistances(boxes), [B, A, 4]), 2, -1);
      const boxesPx = tf.mul(tf.concat([tf.sub(p, lt), tf.add(p, rb)], -1), s);
      const rows = goldenRows();
      const out = assign({ boxesPx, scores, points: tf.mul(p, s) }, labelsOf(rows));
      const slots = out.anchors.shape[1]!;
      const [anchor, label, share, score] = [out.anchors, out.labels, out.share, out.score].map((t) => t.dataSync());
      const fg = new Float32Array(B * A);
      const gt = new Int32Array(B * A);
      const target = new Float32Array(B * A * K);
      for (let i = 0; i < anchor.length; i++) {
        if (share[i] === 0) continue;
        const b = Math.floor(i / slots);
        const at = b * A + anchor[i];
        fg[at] += share[i];
        gt[at] = label[i];
        target[at * K + rows[b][label[i]][0]] += share[i] * score[i];
      }
      // A target score of exactly 0 weighs nothing: which anchors of a label have one depends on the order of ties there.
      const goldenTarget = want('tal.target_scores').data;
      const scored = (at: number) => Array.from({ length: K }, (_, c) => goldenTarget[at * K + c]).some((v) => v > 0);
      for (let at = 0; at < B * A; at++) {
        const isFg = want('tal.fg').data[at] === 1 && scored(at);
        expect(fg[at] > 0, `anchor ${at}`).toBe(isFg);
        if (!isFg) continue;
        expect(fg[at]).toBeCloseTo(1, 6);
        expect(gt[at], `anchor ${at}`).toBe(want('tal.gt_idx').data[at]);
        const [, ...box] = rows[Math.floor(at / A)][gt[at]];
        for (const [j, v] of box.entries()) expect(v).toBeCloseTo(want('tal.target_bboxes').data[4 * at + j], 3);
      }
      expectClose({ shape: [B, A, K], data: target }, want('tal.target_scores'), { rtol: 1e-4 });
    });
  });
});

describe('detection loss', () => {
  it('golden loss: items, loss and gradients', () => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const out = lossAndGradients(goldenHead(), labelsOf(goldenRows()));
      expectClose(read(out.items), want('items'), { rtol: 1e-4 });
      expectClose(read(tf.mul(out.items, B)), want('loss'), { rtol: 1e-4 });
      const sum = Array.from(want('loss').data).reduce((a, b) => a + b, 0);
      expect(Math.abs(out.total.dataSync()[0] - sum)).toBeLessThan(1e-4 * sum);
      expectClose(back(out.boxes), want('grad.boxes'), { rtol: 1e-4, label: 'boxes' });
      expectClose(back(out.scores), want('grad.scores'), { rtol: 1e-4, label: 'scores' });
      out.items.dispose();
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  it('golden loss: the same as one compiled graph', () => {
    tf.tidy(() => {
      const labels = labelsOf(goldenRows());
      const { boxes, scores } = goldenHead();
      const step = compile(
        (x: { boxes: tf.Tensor; scores: tf.Tensor; boxesPx: tf.Tensor; classes: tf.Tensor; mask: tf.Tensor }) =>
          lossAndGradients(head(x.boxes, x.scores), x),
      );
      const out = step({ boxes, scores, ...labels });
      expectClose(read(out.items), want('items'), { rtol: 1e-4 });
      expectClose(back(out.boxes), want('grad.boxes'), { rtol: 1e-4, label: 'boxes' });
      expectClose(back(out.scores), want('grad.scores'), { rtol: 1e-4, label: 'scores' });
      step.dispose();
    });
  });
});
