import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { printable } from '../../src/core/printable.js';
import { encodeImage } from '../../src/image/codec.js';
import { saveCheckpoint } from '../../src/nn/weights.js';
import { liveModel } from '../helpers/live-model.js';
import { runCli } from '../helpers/run-cli.js';
import { tmpDir } from '../helpers/tmp.js';

/** Sets the title, clears the screen, forges a line; CSI and a turn of direction as single characters. */
const HOSTILE = '\x1b]0;owned\x07\x1b[2J\rcat\nERROR forged\u009b31m\u202e';
/** What a terminal acts on, but for line feeds. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const ACTS = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/;

describe('control characters in names of classes and files', () => {
  const dir = tmpDir();
  const model = join(dir, 'model.safetensors');
  const images = join(dir, 'data', 'images');
  let names: string[];

  beforeAll(async () => {
    const checkpoint = liveModel();
    names = checkpoint.names.map((_, i) => (i ? `${HOSTILE}${i}` : '<script>alert(1)</script>'));
    saveCheckpoint(model, { ...checkpoint, names });
    mkdirSync(images, { recursive: true });
    mkdirSync(join(dir, 'data', 'labels'));
    const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 31) & 255);
    writeFileSync(join(images, '\x1b[31mred.png'), await encodeImage({ data, width: 64, height: 64 }, 'png'));
    writeFileSync(join(images, '\x1b[31mbroken.png'), 'this is no image');
    writeFileSync(join(dir, 'data', 'labels', '\x1b[31mred.txt'), '0 0.5 0.5 0.5 0.5\n');
    writeFileSync(join(dir, 'data.yaml'), JSON.stringify({ path: 'data', train: 'images', val: 'images', names }));
  });

  it.each([[['save_crop=true', 'save_txt=true']], [['json=true', 'save=false']]])(
    'predict %j prints escapes',
    async (more) => {
      const args = ['predict', `model=${model}`, `source=${images}`, 'imgsz=64', 'conf=0.01', ...more];
      const { code, stdout, stderr } = await runCli(args, { cwd: dir });
      expect(code, stderr).toBe(1); // the broken one
      expect(stdout).not.toMatch(ACTS);
      expect(stderr).not.toMatch(ACTS);
      expect(stdout).not.toMatch(/^ERROR forged/m);
      expect(stdout).toMatch(/\\u001b\[2J\\(u000d|r)cat/);
      if (!more.includes('json=true')) return;
      const [line] = stdout.trim().split('\n');
      const found = JSON.parse(line).detections.map(({ name }: { name: string }) => name);
      expect(found.some((name: string) => names.indexOf(name) > 0)).toBe(true);
    },
  );

  it('val prints escapes, and its report is plain text', async () => {
    const args = ['val', `model=${model}`, `data=${join(dir, 'data.yaml')}`, 'imgsz=64', 'name=v', 'workers=0'];
    const { code, stdout, stderr } = await runCli(args, { cwd: dir });
    expect(code, stderr).toBe(0);
    expect(stdout + stderr).not.toMatch(ACTS);
    const page = readFileSync(join(dir, 'runs', 'detect', 'v', 'report.html'), 'utf8');
    expect(page).not.toContain('<script>alert');
    expect(page).toContain('alert(1)');
  });
});

describe('printable', () => {
  it('leaves letters of all scripts, escapes what a terminal acts on', () => {
    expect(printable('größe 猫 🐈 \t\x7f')).toBe('größe 猫 🐈 \\u0009\\u007f');
    expect(JSON.parse(printable(JSON.stringify(HOSTILE)))).toBe(HOSTILE);
  });
});
