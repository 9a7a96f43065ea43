import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadCheckpoint, specOf } from '../../src/nn/weights.js';

const folder = process.env.YOLO_REFERENCE ?? '';

/** Sums over PyTorch's own reading of the file, in double precision. */
const WANT = { count: 298, sum: -250.19662779569626, absolute: 45783.39200550318, weighted: -71041.78923076391 };

test('yolov8n.pt: names, shapes and numbers are those that PyTorch reads', async () => {
  const { weights, names, yaml, trainArgs, info } = await loadCheckpoint(join(folder, 'weights/yolov8n.pt'));
  const sizes = JSON.parse(readFileSync(new URL('../golden/sizes.json', import.meta.url), 'utf8'));
  const parameters = [...weights]
    .filter(([n]) => !n.includes('running_'))
    .reduce((n, [, { data }]) => n + data.length, 0);
  expect(parameters).toBe(sizes.n.parameters_nc80);
  expect(weights.size).toBe(WANT.count);
  expect(names.length).toBe(80);
  expect([names[0], names[79]]).toEqual(['person', 'toothbrush']);
  expect(trainArgs?.epochs).toBe(500);
  expect(info.stride).toEqual([8, 16, 32]);
  const spec = specOf({ weights, names, yaml, info });
  expect([spec.scale, spec.nc, spec.strides]).toEqual(['n', 80, [8, 16, 32]]);
  let [sum, absolute, weighted] = [0, 0, 0];
  for (const name of [...weights.keys()].sort()) {
    const { data } = weights.get(name)!;
    let part = 0;
    for (let i = 0; i < data.length; i++) {
      sum += data[i];
      absolute += Math.abs(data[i]);
      part += data[i] * ((i % 97) + 1);
    }
    weighted += part;
  }
  expect(sum).toBeCloseTo(WANT.sum, 4);
  expect(absolute).toBeCloseTo(WANT.absolute, 3);
  expect(weighted).toBeCloseTo(WANT.weighted, 2);
});
