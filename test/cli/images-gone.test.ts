import { spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { engineReady } from '../../bin/setup/paths.mjs';
import { writeTinyData, writeTinyModel } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

const BIN = fileURLToPath(new URL('../../bin/yolo.js', import.meta.url));

describe.runIf(engineReady())('a folder of images that disappears during training', () => {
  it('of validation: ends the run with one message, code 1, and keeps the best weights', async () => {
    const dir = tmpDir();
    const data = await writeTinyData(dir, { train: 4, val: 4 });
    const run = join(dir, 'runs/train');
    const args = [`model=${writeTinyModel(dir)}`, `data=${data}`, 'epochs=5000', 'imgsz=32', 'batch=4', 'workers=0'];
    const child = spawn(process.execPath, [BIN, 'train', ...args, 'plots=false', `project=${join(dir, 'runs')}`]);
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    const ended = new Promise((resolve) => child.on('close', resolve));
    const epochs = (): number =>
      existsSync(join(run, 'results.csv')) ? readFileSync(join(run, 'results.csv'), 'utf8').split('\n').length : 0;
    while (epochs() < 3) await new Promise((next) => setTimeout(next, 20));
    renameSync(join(dir, 'images/val'), join(dir, 'away'));
    const code = await ended;
    expect(stderr).toContain(`${join(dir, 'images/val')} is not there any more`);
    expect(stderr.match(/is not there any more/g)?.length).toBe(1);
    expect(stderr).not.toMatch(/\n\s+at |bug/);
    expect(code).toBe(1);
    expect(existsSync(join(run, 'weights/best.safetensors'))).toBe(true);
  });
});
