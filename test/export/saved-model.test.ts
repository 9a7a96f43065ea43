import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { beforeAll, describe, expect, test } from 'vitest';
import { rng } from '../../src/core/rng.js';
import { createDetector } from '../../src/detect/detectors/network.js';
import { createSavedModelDetector } from '../../src/detect/detectors/saved-model.js';
import { writeSavedModel } from '../../src/export/saved-model.js';
import { type Arrayish, expectSameOutput } from '../helpers/close.js';
import { pick } from '../helpers/golden.js';
import { native } from '../helpers/native.js';
import { tinyModel } from '../helpers/tiny-model.js';
import { tmpDir } from '../helpers/tmp.js';
import { trainedModel } from '../helpers/trained-model.js';

const { checkpoint, spec, images, decoded } = trainedModel();
const [B, H, W] = images.shape;
const names = { ...checkpoint.names };
const dir = tmpDir();

function write(name: string, half = false): string {
  const target = join(dir, name);
  const metadata = { names, stride: 32, task: 'detect', imgsz: [H, W] };
  writeSavedModel(target, spec, checkpoint.weights, { imgsz: [H, W], batch: B, half, metadata });
  return target;
}

beforeAll(native);

describe('SavedModel export', () => {
  for (const half of [false, true])
    test(`half=${half}: output0 is what the reference gives`, async () => {
      const folder = write(half ? 'half' : 'full', half);
      const detector = await createSavedModelDetector(folder);
      expectSameOutput(await detector.infer(images.data, [B, H, W]), decoded, { rtol: half ? 0.01 : 1e-4 });
      detector.dispose();
    });

  test('output0 is golden/model eval.decoded', async () => {
    const { file, spec, checkpoint } = tinyModel();
    const { shape, data } = pick(file, 'input');
    const folder = join(dir, 'golden');
    const options = { imgsz: [shape[1], shape[2]] as [number, number], batch: shape[0], half: false, metadata: {} };
    writeSavedModel(folder, spec, checkpoint.weights, options);
    const detector = await createSavedModelDetector(folder);
    const bytes = Uint8Array.from(data as Float32Array, (v) => Math.round(v * 255));
    const got = await detector.infer(bytes, shape.slice(0, 3) as [number, number, number]);
    expectSameOutput(got, pick(file, 'eval.decoded') as Arrayish, { rtol: 1e-4 });
    detector.dispose();
  });

  test('half=true takes little more than half the bytes of the weights; metadata is plain YAML', () => {
    const size = (name: string) => statSync(join(dir, name, 'variables/variables.data-00000-of-00001')).size;
    expect(size('half')).toBeLessThan(size('full') * 0.55);
    expect(load(readFileSync(join(dir, 'full/metadata.yaml'), 'utf8'))).toMatchObject({ names, imgsz: [H, W] });
  });

  test('as a detector: the numbers of the original, images beyond the batch in further runs', async () => {
    const exported = await createSavedModelDetector(write('again'), 'here');
    expect(exported).toMatchObject({ fixedShape: [H, W], fixedBatch: B, names: checkpoint.names, engine: 'here' });
    const original = await createDetector(checkpoint);
    const random = rng(2);
    const count = B + 1;
    const bytes = Uint8Array.from({ length: count * H * W * 3 }, () => random.int(256));
    const got = await exported.infer(bytes, [count, H, W]);
    expectSameOutput(got, await original.infer(bytes, [count, H, W]), { rtol: 1e-5 });
    exported.dispose();
    original.dispose();
  });

  test('damaged and foreign files are refused', async () => {
    const folder = write('damaged');
    const model = join(folder, 'saved_model.pb');
    const good = readFileSync(model);
    const refused = async (message: RegExp) =>
      expect(createSavedModelDetector(folder)).rejects.toThrow(
        expect.objectContaining({ name: 'UserError', message: expect.stringMatching(message) }),
      );
    writeFileSync(model, good.subarray(0, 1000));
    await refused(/cannot be read/);
    writeFileSync(model, '');
    await refused(/no signature serving_default/);
    writeFileSync(model, good);
    writeFileSync(join(folder, 'metadata.yaml'), 'task: segment');
    await refused(/task 'segment'/);
    writeFileSync(join(folder, 'metadata.yaml'), '{');
    await refused(/metadata.yaml, line 1: not valid YAML/);
    writeFileSync(join(folder, 'metadata.yaml'), 'names: {0: a}');
    await refused(/rows for 1 classes/);
    await expect(createSavedModelDetector(join(dir, 'nowhere'))).rejects.toThrow(/there is no file/);
  });
});
