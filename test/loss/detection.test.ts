import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { rng } from '../../src/core/rng.js';
import { ensureGradients } from '../../src/graph/gradients.js';
import { classWeights } from '../../src/loss/class-weights.js';
import { detectionLoss, type Labels, type LossOptions } from '../../src/loss/detection.js';
import { assign } from '../../src/loss/tal.js';
import { expectedDistances } from '../../src/nn/distances.js';
import { anchorsOf, type HeadOutput, levelsOf } from '../../src/nn/head.js';
import { type Arrayish, expectClose } from '../helpers/close.js';
import { compile } from '../helpers/compile.js';
import { golden, pick } from '../helpers/golden.js';
import { native } from '../helpers/native.js';

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

/** Rows of each image, in pixels, from the golden file; `index` gives the place of a row within its image. */
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
  await native();
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

describe('detection loss of the parts of a batch', () => {
  it('with the sum of all target scores: items, losses and gradients add up to those of the batch', () => {
    tf.tidy(() => {
      const rows = goldenRows();
      const { boxes, scores } = goldenHead();
      const whole = lossAndGradients({ ...goldenHead(), boxes, scores }, labelsOf(rows));
      const part = (i: number, sum: (x: tf.Tensor) => tf.Tensor) =>
        lossAndGradients(
          head(tf.slice(boxes, [i, 0, 0], [1, -1, -1]), tf.slice(scores, [i, 0, 0], [1, -1, -1])),
          labelsOf([rows[i]]),
          { gains, whole: { images: B, sum: sum as <T extends tf.Tensor>(x: T) => T } },
        );
      const own: number[] = [];
      for (let i = 0; i < B; i++)
        part(i, (x) => {
          own.push(x.dataSync()[0]);
          return x;
        });
      expect(own.filter((sum) => sum > 0).length).toBeGreaterThan(1);
      const total = own.reduce((a, b) => a + b, 0);
      const parts = own.map((_, i) => part(i, () => tf.scalar(total)));
      expectClose(read(tf.addN(parts.map(({ items }) => items))), read(whole.items), { rtol: 1e-5 });
      expectClose(read(tf.addN(parts.map((out) => out.total))), read(whole.total), { rtol: 1e-5 });
      expectClose(read(tf.concat(parts.map((out) => out.boxes))), read(whole.boxes), { rtol: 1e-4, atol: 1e-7 });
      expectClose(read(tf.concat(parts.map((out) => out.scores))), read(whole.scores), { rtol: 1e-4, atol: 1e-7 });
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

  const outcome = (rows: Row[][], m?: number, options?: LossOptions) =>
    tf.tidy(() => {
      const { boxes, scores } = goldenHead();
      const out = lossAndGradients(
        head(tf.slice(boxes, [0], [rows.length]), tf.slice(scores, [0], [rows.length])),
        labelsOf(rows, m),
        options,
      );
      const result = { items: read(out.items), boxes: read(out.boxes), scores: read(out.scores) };
      out.items.dispose();
      return result as unknown as Record<'items' | 'boxes' | 'scores', { shape: number[]; data: Float32Array }>;
    });
  const expectSame = (a: ReturnType<typeof outcome>, b: ReturnType<typeof outcome>) => {
    for (const key of ['items', 'boxes', 'scores'] as const) expectClose(a[key], b[key], { rtol: 1e-5, label: key });
  };

  it('does not depend on the order of labels', () => {
    const rows = goldenRows();
    for (const seed of [1, 2, 3]) {
      const mixed = rows.map((list, i) => rng(seed, i).shuffle([...list]));
      expectSame(outcome(mixed), outcome(rows));
    }
  });

  it('does not depend on padding', () => {
    const most = Math.max(...goldenRows().map((r) => r.length));
    // Beyond A / 10 the anchors are settled one by one.
    for (const m of [most + 1, 32, Math.ceil(A / 10) + 1]) expectSame(outcome(goldenRows(), m), outcome(goldenRows()));
  });

  it('a batch without labels: only the class loss counts', () => {
    const { items, boxes, scores } = outcome([[], []]);
    expect([items.data[0], items.data[2]]).toEqual([0, 0]);
    expect(boxes.data.every((v) => v === 0)).toBe(true);
    const x = want('scores'); // [B, K, A]
    let sum = 0;
    for (let i = 0; i < 2 * K * A; i++) sum += Math.log1p(Math.exp(x.data[i]));
    expect(Math.abs(items.data[1] - gains.cls * sum)).toBeLessThan(1e-4 * sum);
    for (let a = 0; a < A; a += 17) {
      const slope = (2 * gains.cls) / (1 + Math.exp(-x.data[a]));
      expect(Math.abs(scores.data[a * K] - slope)).toBeLessThan(1e-5 * slope);
    }
  });

  it('class loss agrees with finite differences where there are no labels', () => {
    tf.tidy(() => {
      const { boxes, scores } = goldenHead();
      const loss = (s: tf.Tensor) =>
        detectionLoss(head(boxes, s), labelsOf(Array.from({ length: B }, () => [])), { gains }).total;
      const direction = tf.randomNormal(scores.shape, 0, 1, 'float32', 5);
      const slope = tf.sum(tf.mul(tf.grad(loss)(scores), direction)).dataSync()[0];
      const h = 1e-2;
      const at = (t: number) => loss(tf.add(scores, tf.mul(direction, t))).dataSync()[0];
      expect(Math.abs((at(h) - at(-h)) / (2 * h) - slope)).toBeLessThan(2e-3 * Math.abs(slope));
    });
  });

  it('copes with 500 labels in an image', () => {
    const random = rng(500);
    const many: Row[] = Array.from({ length: 500 }, () => {
      const [w, h] = [random.uniform(1, 80), random.uniform(1, 80)];
      const [x, y] = [random.uniform(0, width - w), random.uniform(0, height - h)];
      return [random.int(K), x, y, x + w, y + h];
    });
    const out = outcome([many, goldenRows()[0]]);
    for (const { data } of Object.values(out)) expect(data.every(Number.isFinite)).toBe(true);
    expect(out.items.data[0]).toBeGreaterThan(0);
  });

  it('a label that holds no anchor point is widened, so that it is found', () => {
    tf.tidy(() => {
      // 2 px wide, between the points of every level; each anchor's box reaches one cell to the right and below.
      const peak = (bin: number) => Array.from({ length: 16 }, (_, i) => (i === bin ? 20 : 0));
      const boxes = tf.tile(tf.tensor3d([[[...peak(0), ...peak(0), ...peak(1), ...peak(1)]]]), [1, A, 1]);
      const out = lossAndGradients(head(boxes, tf.zeros([1, A, K])), labelsOf([[[0, 31, 31, 33, 33]]]));
      expect(out.items.dataSync()[0]).toBeGreaterThan(0);
      expect(out.boxes.dataSync().some((v) => v !== 0)).toBe(true);
      out.items.dispose();
    });
  });

  it('weighs classes: all alike is as without, a weight of 0 silences a class', () => {
    const rows = goldenRows();
    expectSame(outcome(rows, undefined, { gains, classWeights: new Array(K).fill(1) }), outcome(rows));
    const { scores, items } = outcome(rows, undefined, { gains, classWeights: [0, ...new Array(K - 1).fill(2)] });
    const plain = outcome(rows);
    for (let i = 0; i < scores.data.length; i++)
      expect(scores.data[i]).toBeCloseTo(i % K === 0 ? 0 : 2 * plain.scores.data[i], 5);
    expect(items.data[0]).toBeCloseTo(plain.items.data[0], 5);
  });

  it('takes a large batch in parts with the same result', () => {
    tf.tidy(() => {
      const { points, strides: strideOf } = anchorsOf(levels, strides);
      const { boxes, scores } = goldenHead();
      const s = tf.tensor2d(strideOf, [A, 1]);
      const p = tf.mul(tf.tensor2d(points, [A, 2]), s);
      const [lt, rb] = tf.split(tf.reshape(expectedDistances(boxes), [B, A, 4]), 2, -1);
      const predictions = {
        boxesPx: tf.concat([tf.sub(p, tf.mul(lt, s)), tf.add(p, tf.mul(rb, s))], -1),
        scores,
        points: p,
      };
      const labels = labelsOf(goldenRows());
      const whole = assign(predictions, labels);
      for (const atOnce of [1, 2 * A * labels.mask.shape[1]!]) {
        const parts = assign(predictions, labels, atOnce);
        for (const key of ['anchors', 'labels', 'share'] as const) expect(read(parts[key])).toEqual(read(whole[key]));
        expectClose(read(parts.score), read(whole.score), { rtol: 1e-6 });
      }
    });
  });
});

describe('classWeights', () => {
  it('is (1 / frequency)^p with a mean of 1; a class without labels counts as one', () => {
    expect(classWeights([5, 10, 20], 0)).toEqual([1, 1, 1]);
    const w = classWeights([1, 4, 0], 0.5);
    expect(w[0] / w[1]).toBeCloseTo(2);
    expect(w[2]).toBe(w[0]);
    expect((w[0] + w[1] + w[2]) / 3).toBeCloseTo(1);
  });
});
