import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { native } from '../helpers/native.js';
import { runScript } from '../helpers/run-script.js';
import { writeTinyData, writeTinyModel } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

// Processes of their own, on machines that do other things besides.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const dir = tmpDir();
const SETTINGS = `const data = 'data.yaml';
  const training = { data, imgsz: 64, batch: 4, workers: 0, plots: false, project: 'runs' };
  const { YOLO, Interrupted } = api;
  const name = (error) => [error.constructor.name, error.code ?? error.message];
  async function toEnd(generator) {
    const rows = [];
    for (;;) {
      const { done, value } = await generator.next();
      if (done) return { rows, summary: value };
      rows.push(value);
    }
  }
`;
const run = <T>(body: string): Promise<T> => runScript<T>(dir, SETTINGS + body);

beforeAll(async () => {
  await native();
  writeTinyModel(dir);
  await writeTinyData(dir, { train: 8, val: 4 });
});

/** results.csv without the column of seconds. */
function resultsOf(name: string): string[] {
  const text = readFileSync(join(dir, 'runs', name, 'results.csv'), 'utf8').trim();
  return text.split('\n').map((line) => line.replace(/^(\s*\S+?),\s*[^,]+/, '$1'));
}

describe('YOLO.load of a network without weights', () => {
  it('trains, then holds the best weights: predicts, validates, exports, goes on', async () => {
    const answer = await run<Record<string, never>>(`
      const yolo = await YOLO.load('yolov8t.yaml');
      const before = [yolo.model, [...yolo.names]];
      const engine = yolo.engine;
      const refused = [];
      for (const work of [() => yolo.predict('images/val').next(), () => yolo.val({ data }), () => yolo.export()])
        refused.push(name(await work().catch((error) => error)));
      const heard = { batches: [], validations: 0 };
      const { rows, summary } = await toEnd(yolo.train({ ...training, epochs: 2, name: 'first' }, {
        onBatch: ({ epoch, batch, batches, losses }) => heard.batches.push([epoch, batch, batches, losses.box_loss > 0]),
        onValidation: () => heard.validations++,
      }));
      const finds = async (model) => {
        const found = [];
        for await (const { detections } of model.predict('images/val', { conf: 0, imgsz: 64, max_det: 5 })) found.push(detections);
        return found;
      };
      const best = await YOLO.load(summary.best);
      const same = [await finds(yolo), await finds(best)];
      const { summary: figures } = await yolo.val({ data, imgsz: 64, plots: false, workers: 0, project: 'runs' });
      const { files, verification } = await yolo.export({ format: 'onnx', imgsz: 64 });
      const last = await YOLO.load(summary.last);
      const more = await toEnd(last.train({ resume: true, epochs: 3 }));
      return { before, engine, refused, heard, rows, summary: { ...summary, evaluation: undefined }, after: [yolo.model, [...yolo.names]],
        same, figures, files, verification, more: more.rows.map(({ epoch }) => epoch), dirs: [summary.save_dir, more.summary.save_dir] };
    `);
    const { before, engine, refused, heard, rows, summary, after, same, figures, files, verification, more, dirs } =
      answer;
    expect(before).toEqual(['yolov8t.yaml', []]);
    expect(engine).toMatch(/^TensorFlow/);
    expect(refused).toEqual(Array(3).fill(['UserError', 'no-weights']));
    expect(heard).toEqual({
      batches: [1, 2].flatMap((epoch) => [1, 2].map((batch) => [epoch, batch, 2, true])),
      validations: 3, // after each epoch, and of the best weights
    });
    expect(rows).toMatchObject([
      { epoch: 1, epochs: 2, metrics: { mAP50: expect.any(Number) } },
      { epoch: 2, epochs: 2, metrics: { mAP50: expect.any(Number) } },
    ]);
    expect(summary).toMatchObject({
      save_dir: join('runs', 'first'),
      best: join('runs/first/weights/best.safetensors'),
    });
    expect(after).toEqual([(summary as { best: string }).best, ['blue', 'red']]);
    const [own, loaded] = same as unknown[][][];
    expect(own.flat().length).toBeGreaterThan(0);
    expect(own).toEqual(loaded);
    expect(figures).toMatchObject({ images: 4, save_dir: join('runs', 'val') });
    expect(files).toEqual([join('runs/first/weights/best.onnx')]);
    expect((verification as { boxes: number }).boxes).toBeLessThan(0.5);
    expect(more).toEqual([3]);
    expect((dirs as string[]).map((path) => resolve(dir, path))).toEqual(Array(2).fill(join(dir, 'runs/first')));
  });

  it('that is left early stays what it was; so does one that keeps no files', async () => {
    const answer = await run<unknown[]>(`
      const yolo = await YOLO.load('yolov8t.yaml');
      for await (const _ of yolo.train({ ...training, epochs: 2, name: 'left' })) break;
      const left = yolo.model;
      const { summary } = await toEnd(yolo.train({ ...training, epochs: 1, save: false, name: 'unsaved' }));
      return [left, summary.best, yolo.model];
    `);
    expect(answer).toEqual(['yolov8t.yaml', null, 'yolov8t.yaml']);
  });
});

describe('AbortSignal', () => {
  it.each(['a batch', 'a validation'])('in %s: training ends, and resumed it comes to the same', async (where) => {
    const id = where === 'a batch' ? 'in-batch' : 'in-validation';
    const answer = await run<{ error: string[]; rows: number[] }>(`
      const yolo = await YOLO.load('yolov8t.yaml');
      const stop = new AbortController();
      let validations = 0;
      const callbacks = {
        onBatch: ({ epoch, batch }) => ${id === 'in-batch'} && epoch === 2 && batch === 1 && stop.abort(),
        onValidation: (done) => ${id === 'in-validation'} && ++validations === 3 && done < 2 && stop.abort(),
      };
      const settings = { ...training, batch: 1, epochs: 2, name: ${JSON.stringify(id)} };
      const error = await toEnd(yolo.train({ ...settings, signal: stop.signal }, callbacks)).catch((reason) => reason);
      const held = yolo.model;
      const again = await YOLO.load('runs/${id}/weights/last.safetensors');
      const { rows } = await toEnd(again.train({ resume: true }));
      if (!${JSON.stringify(existsSync(join(dir, 'runs/undisturbed')))}) await toEnd(yolo.train({ ...settings, name: 'undisturbed' }));
      return { error: name(error), rows: rows.map(({ epoch }) => epoch), held };
    `);
    expect(answer.error[0]).toBe('Interrupted');
    expect(answer.error[1]).toMatch(/resume=.*last\.safetensors/);
    expect(answer).toMatchObject({ held: 'yolov8t.yaml', rows: [2] });
    expect(resultsOf(id)).toEqual(resultsOf('undisturbed'));
    expect(resultsOf(id)).toHaveLength(3);
  });

  it('aborted before: nothing is begun by train, val and export', async () => {
    const answer = await run<string[][]>(`
      const signal = AbortSignal.abort();
      const yolo = await YOLO.load('runs/undisturbed/weights/best.safetensors');
      const work = [
        () => toEnd(yolo.train({ ...training, signal, name: 'never' })),
        () => yolo.val({ data, signal, project: 'runs', name: 'never' }),
        () => yolo.export({ signal, imgsz: 64, format: 'onnx' }),
      ];
      return Promise.all(work.map((one) => one().then(() => 'done', name)));
    `);
    expect(answer).toEqual(Array(3).fill(['Interrupted', 'interrupted']));
    expect(existsSync(join(dir, 'runs/never'))).toBe(false);
    expect(existsSync(join(dir, 'runs/undisturbed/weights/best.onnx'))).toBe(false);
  });

  it('val ends between two batches, export before the proved file takes its place', async () => {
    const answer = await run<unknown>(`
      const yolo = await YOLO.load('runs/undisturbed/weights/best.safetensors');
      const stop = new AbortController();
      let batches = 0;
      const onBatch = () => {
        if (++batches === 1) stop.abort();
      };
      const settings = { data, imgsz: 64, batch: 1, workers: 0, plots: false, project: 'runs', signal: stop.signal };
      const first = await yolo.val(settings, { onBatch }).catch(name);
      const late = new AbortController();
      const sink = api.log.setSink({ write: (_, text) => text.startsWith('written') && late.abort() });
      const second = await yolo.export({ format: 'onnx', imgsz: 64, signal: late.signal }).catch(name);
      api.log.setSink(sink);
      return { first, batches, second };
    `);
    expect(answer).toEqual({
      first: ['Interrupted', 'interrupted'],
      batches: 1,
      second: ['Interrupted', 'interrupted'],
    });
    const files = readdirSync(join(dir, 'runs/undisturbed/weights'));
    expect(files.sort()).toEqual(['best.safetensors', 'last.safetensors']);
    expect(statSync(join(dir, 'runs/undisturbed/weights/best.safetensors')).size).toBeGreaterThan(0);
  });
});
