import { describe, expect, it } from 'vitest';
import {
  boxArea,
  boxIntersection,
  boxIou,
  columnToXyxy,
  labelsToPx,
  labelText,
  letterboxTransform,
  ltwhToXyxy,
  normToPx,
  pxToNorm,
  unletterbox,
  withLongSide,
  xywhToXyxy,
  xyxyToLtwh,
  xyxyToXywh,
} from '../../src/core/boxes.js';
import { rng } from '../../src/core/rng.js';

function expectNear(got: Iterable<number>, want: number[], digits = 4): void {
  const numbers = [...got];
  expect(numbers.length).toBe(want.length);
  want.forEach((value, i) => {
    expect(numbers[i]).toBeCloseTo(value, digits);
  });
}

describe('forms and units, against ultralytics.utils.ops (8.4.190)', () => {
  it('xywh2xyxy, xyxy2xywh, xyxy2ltwh and back', () => {
    expectNear(xywhToXyxy([0.5, 0.4, 0.2, 0.6]), [0.4, 0.1, 0.6, 0.7]);
    expectNear(xyxyToXywh([10, 20, 40, 70]), [25, 45, 30, 50]);
    expectNear(xyxyToLtwh([10, 20, 40, 70]), [10, 20, 30, 50]);
    expectNear(ltwhToXyxy([10, 20, 30, 50]), [10, 20, 40, 70]);
  });

  it('xywhn2xyxy(w=320, h=200, padw=7, padh=3)', () => {
    const labels = Float32Array.of(9, 0.1, 0.1, 0.1, 0.1, 2, 0.5, 0.4, 0.2, 0.6);
    const at = { ratioX: 1, ratioY: 1, padX: 7, padY: 3 };
    expectNear(labelsToPx(labels, { width: 320, height: 200 }, at).subarray(5), [2, 135, 23, 199, 143]);
    expectNear(normToPx(xywhToXyxy(labels, 6), { width: 320, height: 200 }), [128, 20, 192, 140]);
  });

  it('xyxy2xywhn(w=160, h=100), as numbers and as a row of a label file', () => {
    const size = { width: 160, height: 100 };
    expectNear(pxToNorm(xyxyToXywh([10, 20, 40, 70]), size), [0.15625, 0.45, 0.1875, 0.5]);
    expect(labelText(3, [10, 20, 40, 70], size)).toBe('3 0.15625 0.45 0.1875 0.5');
    expect(labelText(3, [10, 20, 40, 50], { width: 120, height: 100 }, 0.87654321)).toBe(
      '3 0.208333 0.35 0.25 0.3 0.876543',
    );
  });

  it('a column of predictions is the same box', () => {
    const columns = Float32Array.of(...[1, 25], ...[2, 45], ...[3, 30], ...[4, 50]); // [4, 2]
    const out = new Float32Array(6);
    columnToXyxy(columns, 2, 1, out, 1);
    expect([...out]).toEqual([0, 10, 20, 40, 70, 0]);
  });
});

describe('overlaps', () => {
  it('boxIou equals ultralytics.utils.metrics.box_iou', () => {
    const boxes = [10, 20, 40, 70, 20, 10, 50, 60, 40, 20, 60, 70, 0, 0, 5, 5];
    expectNear(
      [0, 4, 8, 12].map((j) => boxIou(boxes, 0, boxes, j)),
      [1, 0.3636, 0, 0],
    );
    expect([boxArea(boxes), boxIntersection(boxes, 0, boxes, 4)]).toEqual([1500, 800]);
  });

  it('counts the cells of a grid that both boxes, either and one of them cover', () => {
    const random = rng(1);
    const box = (): number[] => {
      const [x, y] = [random.int(12), random.int(12)];
      return [x, y, x + random.int(8), y + random.int(8)];
    };
    let met = 0;
    for (let n = 0; n < 200; n++) {
      const [a, b] = [box(), box()];
      let [both, either, first] = [0, 0, 0];
      for (let cell = 0; cell < 400; cell++) {
        const inside = ([x1, y1, x2, y2]: number[]): boolean =>
          cell % 20 >= x1 && cell % 20 < x2 && Math.floor(cell / 20) >= y1 && Math.floor(cell / 20) < y2;
        if (inside(a) && inside(b)) both++;
        if (inside(a) || inside(b)) either++;
        if (inside(a)) first++;
      }
      expect(boxIntersection(a, 0, b, 0)).toBe(both);
      expect(boxArea(a)).toBe(first);
      expect(boxIou(a, 0, b, 0)).toBeCloseTo(either ? both / either : 0, 12);
      if (both) met++;
    }
    expect(met).toBeGreaterThan(20);
  });
});

describe('letterboxTransform', () => {
  it('takes the larger half of an odd padding to the right and below', () => {
    const at = letterboxTransform({ width: 100, height: 100 }, [101, 100]);
    expect([at.padX, at.padY, at.height]).toEqual([0, 0, 101]);
  });

  it('rect pads bus.jpg (810x1080) to 640x480 and zidane.jpg (1280x720) to 384x640', () => {
    const bus = letterboxTransform({ width: 810, height: 1080 }, [640, 640], { auto: true });
    expect([bus.height, bus.width]).toEqual([640, 480]);
    const zidane = letterboxTransform({ width: 1280, height: 720 }, [640, 640], { auto: true });
    expect([zidane.height, zidane.width, zidane.padY]).toEqual([384, 640, 12]);
  });

  it('keeps a row of an image that is 10,000 times wider than high', () => {
    const at = letterboxTransform({ width: 10_000, height: 1 }, [640, 640]);
    expect([at.innerHeight, at.innerWidth]).toEqual([1, 640]);
  });
});

describe('unletterbox', () => {
  it('equals ultralytics.utils.ops.scale_boxes, clipping included', () => {
    const boxes = [100, 150, 400, 500, 0.5, 1, -5, 0, 640, 640, 0.5, 1];
    const back = (shape: [number, number], image: { width: number; height: number }): number[] => {
      const rows = unletterbox(Float32Array.from(boxes), 6, letterboxTransform(image, shape), image);
      return [...rows].filter((_, i) => i % 6 < 4);
    };
    const small = { width: 500, height: 333 };
    expectNear(back([640, 640], small), [78.125, 33.6126785, 312.5, 307.2042236, 0, 0, 500, 333]);
    expectNear(back([384, 640], { width: 1280, height: 720 }), [200, 276, 800, 720, 0, 0, 1280, 720]);
  });

  it('undoes what labelsToPx does with the same placement', () => {
    const image = { width: 333, height: 100 };
    const labels = Float32Array.of(4, 0.5, 0.55, 0.8, 0.7);
    const at = letterboxTransform(image, [640, 640]);
    const placed = labelsToPx(labels, image, at).subarray(1);
    expectNear(placed, [64 + at.padX, 0.2 * 100 * at.ratioY + at.padY, 576 + at.padX, 90 * at.ratioY + at.padY], 3);
    expectNear(unletterbox(placed, 4, at, image), [...labelsToPx(labels, image).subarray(1)], 3);
  });
});

it('withLongSide: 640x427 at 320 is 320x214, 100x30 at 640 is 640x192, what fits is left alone', () => {
  expect(withLongSide({ width: 640, height: 427 }, 320)).toEqual({ width: 320, height: 214 });
  expect(withLongSide({ width: 30, height: 100 }, 640)).toEqual({ width: 192, height: 640 });
  expect(withLongSide({ width: 331, height: 640 }, 640)).toEqual({ width: 331, height: 640 });
});
