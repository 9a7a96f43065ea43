import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { sessions } from '../helpers/native.js';
import { runScript } from '../helpers/run-script.js';
import { writeTinyData, writeTinyModel } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

const dir = tmpDir();

beforeAll(async () => {
  sessions();
  writeTinyModel(dir);
  await writeTinyData(dir, { train: 4, val: 2 });
});

it('the modes run with the addon of tfjs-node unavailable; predicting loads nothing of TensorFlow.js', async () => {
  const answer = await runScript<Record<string, unknown>>(
    dir,
    `
    const { createRequire } = await import('node:module');
    const { cache } = createRequire(import.meta.url);
    const open = process.dlopen;
    process.dlopen = (module, file, ...rest) => {
      if (/tfjs_binding/.test(file)) throw new Error('unavailable');
      return open.call(process, module, file, ...rest);
    };
    const modules = () => Object.keys(cache).filter((path) => /tfjs-node|tfjs_binding/.test(path.split('/yolov8-tfjs/').at(-1).replace(/^engine[^/]*/, '')));
    const { YOLO } = api;
    const data = 'data.yaml';
    const fresh = await YOLO.load('yolov8t.yaml');
    for await (const _ of fresh.train({ data, imgsz: 64, batch: 4, epochs: 1, workers: 0, plots: false, project: 'runs' }));
    const { summary } = await fresh.val({ data, imgsz: 64, workers: 0, plots: false, project: 'runs' });
    const { files } = await fresh.export({ format: 'saved_model', imgsz: 64 });
    return { modules: modules(), images: summary.images, files, model: fresh.model };`,
  );
  expect(answer).toMatchObject({ modules: [], images: 2 });
  for (const file of answer.files as string[]) expect(existsSync(join(dir, file))).toBe(true);

  const predicted = await runScript<{ images: number; augmented: number; modules: string[]; after: number }>(
    dir,
    `
    const { createRequire } = await import('node:module');
    const { cache } = createRequire(import.meta.url);
    const modules = () => Object.keys(cache).filter((path) => path.includes('@tensorflow'));
    const count = async (keys) => {
      let images = 0;
      for await (const _ of yolo.predict('images/val', { imgsz: 64, ...keys })) images++;
      return images;
    };
    const yolo = await api.YOLO.load(${JSON.stringify(answer.model)});
    const images = await count({});
    const loaded = modules();
    return { images, modules: loaded, augmented: await count({ augment: true }), after: modules().length };`,
  );
  expect(predicted).toMatchObject({ images: 2, modules: [], augmented: 2 });
  expect(predicted.after).toBeGreaterThan(0); // augmentation is traced: the list of modules sees it
});
