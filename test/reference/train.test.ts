import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { referenceFolder } from '../helpers/reference.js';
import { tensorsOf } from '../helpers/tensors-of.js';
import { tmpDir } from '../helpers/tmp.js';

const yolo = fileURLToPath(new URL('../../bin/yolo.js', import.meta.url));
const dir = tmpDir();
const folder = referenceFolder() ?? '';
const data = join(folder, 'data/bccd/data.yaml');

/** Runs the command; `stop` gets each line of standard output and may end the process by a signal. */
function run(
  args: string[],
  stop?: (line: string) => NodeJS.Signals | undefined,
): Promise<{ code: number | null; lines: string[] }> {
  const child = spawn(process.execPath, [yolo, 'train', ...args, 'json=true', 'plots=false'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  let seen = 0;
  child.stdout.on('data', (chunk) => {
    text += chunk;
    const lines = text.split('\n');
    for (; seen < lines.length - 1; seen++) {
      const signal = stop?.(lines[seen]);
      // in the middle of the epoch that comes after this line
      if (signal) setTimeout(() => child.kill(signal), 1500);
    }
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, lines: text.trim().split('\n') })));
}

describe.skipIf(!folder)('three epochs on real images', () => {
  const keys = [
    `data=${data}`,
    'model=yolov8n.yaml',
    'epochs=3',
    'imgsz=160',
    'batch=8',
    'fraction=0.4',
    'optimizer=SGD',
    `project=${dir}`,
  ];
  const last = (name: string): string => join(dir, name, 'weights/last.safetensors');
  const afterFirst = (signal: NodeJS.Signals) => (line: string) => (JSON.parse(line).epoch === 1 ? signal : undefined);

  it('Ctrl-C or a kill in epoch 2 and resume, and threads: the same tensors', async () => {
    expect((await run([...keys, 'name=whole', 'workers=0'])).code).toBe(0);
    const whole = tensorsOf(last('whole'));

    expect((await run([...keys, 'name=threads', 'workers=2'])).code).toBe(0);
    expect(tensorsOf(last('threads'))).toEqual(whole);

    expect((await run([...keys, 'name=stopped', 'workers=0'], afterFirst('SIGINT'))).code).toBe(130);
    expect((await run([`resume=${last('stopped')}`])).code).toBe(0);
    expect(tensorsOf(last('stopped'))).toEqual(whole);

    expect((await run([...keys, 'name=killed', 'workers=2'], afterFirst('SIGKILL'))).code).toBe(null);
    expect((await run([`resume=${last('killed')}`])).code).toBe(0);
    expect(tensorsOf(last('killed'))).toEqual(whole);
  });
});

describe.skipIf(!folder)('eight real images', () => {
  it('are learnt by heart from yolov8n.pt: mAP50 over 0.99', async () => {
    const coco = join(folder, 'data/coco128');
    const images = join(coco, 'images/train2017');
    const eight = readdirSync(images).sort().slice(0, 8);
    writeFileSync(join(dir, 'eight.txt'), eight.map((name) => join(images, name)).join('\n'));
    const names = readFileSync(join(coco, 'coco128.yaml'), 'utf8').split(/^names:/m)[1];
    writeFileSync(join(dir, 'eight.yaml'), `train: eight.txt\nval: eight.txt\nnames:${names}`);
    const plain = ['mosaic', 'hsv_h', 'hsv_s', 'hsv_v', 'translate', 'scale', 'fliplr'].map((key) => `${key}=0`);
    const model = join(folder, 'weights/yolov8n.pt');
    const from = [`data=${join(dir, 'eight.yaml')}`, `model=${model}`, `project=${dir}`, 'name=eight', 'val=false'];
    const rates = ['optimizer=AdamW', 'lr0=0.001', 'momentum=0.9', 'warmup_epochs=3', 'warmup_bias_lr=0'];
    const { code, lines } = await run([...from, 'epochs=100', 'imgsz=640', 'batch=8', 'nbs=8', ...rates, ...plain]);
    expect(code).toBe(0);
    expect(JSON.parse(lines.at(-1) as string).mAP50).toBeGreaterThan(0.99);
  });
});
