import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeImage } from '../../src/image/codec.js';
import { log, YOLO } from '../../src/index.js';
import { trainedWith } from '../../src/nn/trained.js';
import { saveCheckpoint } from '../../src/nn/weights.js';
import { liveModel } from '../helpers/live-model.js';
import { type CliRun, runCli } from '../helpers/run-cli.js';
import { tmpDir } from '../helpers/tmp.js';

describe('a model that was trained at 96 pixels', () => {
  const dir = tmpDir();
  const model = 'model.safetensors';

  beforeAll(async () => {
    const { names, ...checkpoint } = liveModel();
    const trainArgs = { imgsz: 96, data: 'data.yaml' };
    saveCheckpoint(join(dir, model), { ...checkpoint, names, trainArgs });
    saveCheckpoint(join(dir, 'moved.safetensors'), { ...checkpoint, names, trainArgs: { data: 'gone.yaml' } });
    const data = Uint8Array.from({ length: 120 * 120 * 3 }, (_, i) => (i * 31) & 255);
    writeFileSync(join(dir, 'a.png'), await encodeImage({ data, width: 120, height: 120 }, 'png'));
    writeFileSync(join(dir, 'a.txt'), '0 0.5 0.5 0.5 0.5\n');
    writeFileSync(join(dir, 'data.yaml'), JSON.stringify({ train: '.', val: '.', names }));
  });

  async function yolo(...args: string[]): Promise<CliRun> {
    const run = await runCli(args, { cwd: dir });
    expect(run.code, run.stderr).toBe(0);
    return run;
  }

  it('predicts at 96, says so, and at another size when told', async () => {
    const own = await yolo('predict', `model=${model}`, 'source=a.png', 'save=false');
    expect(own.stdout).toContain('a.png: 96x96');
    expect(own.stderr).toContain('imgsz=96: the model was trained with it');
    const told = await yolo('predict', `model=${model}`, 'source=a.png', 'save=false', 'imgsz=64');
    expect(told.stdout).toContain('a.png: 64x64');
    expect(told.stderr).not.toContain('was trained with');
  });

  it('says so once to a program that calls predict several times', async () => {
    const lines: string[] = [];
    const old = log.setSink({ write: (_, text) => lines.push(text) });
    const yolo = await YOLO.load(join(dir, model));
    for (let i = 0; i < 3; i++) for await (const _ of yolo.predict(join(dir, 'a.png')));
    await yolo.dispose();
    log.setSink(old);
    expect(lines.filter((line) => line.includes('was trained with it'))).toEqual([
      'imgsz=96: the model was trained with it',
    ]);
  });

  it('is validated at 96 on the dataset of its training', async () => {
    const { stderr } = await yolo('val', `model=${model}`, 'name=own', 'workers=0', 'plots=false');
    expect(stderr).toContain('data=data.yaml: the model was trained with it');
    const args = readFileSync(join(dir, 'runs', 'detect', 'own', 'args.yaml'), 'utf8');
    expect(args).toMatch(/^imgsz: 96$/m);
    expect(args).toMatch(/^data: data\.yaml$/m);
    const told = await yolo(
      'val',
      `model=${model}`,
      'name=told',
      'imgsz=64',
      'data=data.yaml',
      'workers=0',
      'plots=false',
    );
    expect(told.stderr).not.toContain('was trained with');
  });

  it('is exported for 96; what is asked of the export instead has no effect, aloud', async () => {
    const out = await yolo('export', `model=${model}`, 'format=tfjs', 'json=true');
    expect(JSON.parse(out.stdout).imgsz).toEqual([96, 96]);
    const run = await yolo('predict', 'model=model_web_model', 'source=a.png', 'save=false', 'imgsz=64');
    expect(run.stdout).toContain('a.png: 96x96');
    expect(run.stderr).toContain('imgsz=64 has no effect: the model was exported for 96x96');
  });

  it('a dynamic ONNX export is run at the size that it was exported with', async () => {
    await yolo('export', `model=${model}`, 'format=onnx', 'dynamic=true');
    const run = await yolo('predict', 'model=model.onnx', 'source=a.png', 'save=false');
    expect(run.stdout).toContain('a.png: 96x96');
  });

  it('a dataset that is not here is no default', async () => {
    const { code, stderr } = await runCli(['val', 'model=moved.safetensors'], { cwd: dir });
    expect(stderr).toMatch(/data= is missing, and what the model was trained with is not here \(data=gone\.yaml\)/);
    expect(code).toBe(2);
  });
});

describe('trainedWith', () => {
  it.each<[object, object]>([
    [
      { imgsz: 320, data: 'a.yaml', single_cls: false },
      { imgsz: 320, data: 'a.yaml' },
    ],
    [
      { imgsz: [320, 640], single_cls: true },
      { imgsz: [320, 640], singleCls: true },
    ],
    [{ imgsz: [96, 96] }, { imgsz: 96 }],
    [{ imgsz: 1e9, data: 7 }, {}],
    [{ imgsz: '640', data: '' }, {}],
    [{ imgsz: [1, 2, 3] }, {}],
  ])('%j gives %j', (args, want) => expect(trainedWith(args as Record<string, unknown>)).toEqual(want));
});
