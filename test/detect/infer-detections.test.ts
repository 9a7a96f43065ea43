import { beforeAll, describe, expect, it } from 'vitest';
import { rng } from '../../src/core/rng.js';
import { createDetector, type NetworkDetector } from '../../src/detect/detectors/network.js';
import { inferDetections } from '../../src/detect/infer-detections.js';
import type { NmsOptions } from '../../src/detect/nms.js';
import { native } from '../helpers/native.js';
import { trainedModel } from '../helpers/trained-model.js';

const { checkpoint, spec, images } = trainedModel();
const [B, H, W] = images.shape;

/** The detector, and the same without the selection in the graph. */
let detector: NetworkDetector;
let whole: NetworkDetector;

beforeAll(async () => {
  await native();
  detector = await createDetector({ ...checkpoint, spec });
  whole = new Proxy(detector, {
    get: (target, name) => {
      const value = name === 'inferAbove' ? undefined : Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
});

describe('anchors selected in the graph give the same detections to the last bit', () => {
  it.each<[string, NmsOptions]>([
    ['prediction', { conf: 0.25, iou: 0.7 }],
    ['validation', { conf: 0.001, iou: 0.7, multiLabel: true }],
    ['a threshold below every score', { conf: 1e-9, iou: 0.5, maxDet: 1000 }],
    ['agnostic, some classes', { conf: 0.05, iou: 0.45, agnostic: true, classes: [0, 2] }],
    ['nothing found', { conf: 0.9999, iou: 0.7 }],
  ])('%s', async (name, nms) => {
    const random = rng(5);
    const noise = Uint8Array.from({ length: 2 * H * W * 3 }, () => random.int(256));
    let found = 0;
    for (const [data, shape] of [
      [images.data, [B, H, W]],
      [noise, [2, H, W]],
    ] as [Uint8Array, [number, number, number]][]) {
      const [got, want] = [
        await inferDetections(detector, data, shape, nms),
        await inferDetections(whole, data, shape, nms),
      ];
      for (let k = 0; k < shape[0]; k++) {
        expect(got(k)).toEqual(want(k));
        found += want(k).length;
      }
    }
    expect(found > 0).toBe(name !== 'nothing found');
  });

  it('test-time augmentation and other engines take the whole output', async () => {
    const augmented = await createDetector({ ...checkpoint, spec }, { augment: true });
    expect(augmented.inferAbove).toBeUndefined();
    augmented.dispose();
  });
});
