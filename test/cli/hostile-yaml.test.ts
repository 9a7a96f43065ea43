import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { engineReady } from '../../bin/setup/paths.mjs';
import { runCli } from '../helpers/run-cli.js';
import { writeTinyData } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

/** Nine lists of nine, each an alias of the one before: 9^9 values in ten lines. */
function bomb(name: string): string {
  const lines = ['l0: &l0 [x, x, x, x, x, x, x, x, x]'];
  for (let i = 1; i < 9; i++)
    lines.push(
      `l${i}: &l${i} [${Array(9)
        .fill(`*l${i - 1}`)
        .join(', ')}]`,
    );
  return `${lines.join('\n')}\n${name}: *l8\n`;
}

/** One line of error, perhaps one of advice; no stack; nothing long. */
async function refused(args: string[], message: RegExp, cwd = tmpDir()): Promise<void> {
  const { code, stdout, stderr } = await runCli(args, { cwd });
  const lines = stderr.slice(stderr.indexOf('ERROR')).trim().split('\n');
  expect(lines[0]).toMatch(message);
  expect(lines.length).toBeLessThanOrEqual(2);
  expect(stderr.length).toBeLessThan(1000);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
}

function file(text: string): string {
  const path = join(tmpDir(), 'hostile.yaml');
  writeFileSync(path, text);
  return path;
}

describe('a hostile YAML file is refused with one message', () => {
  const split = 'train: .\nval: .\n';
  it.each<[string, string, RegExp]>([
    ['names: an alias bomb', split + bomb('names'), /grows too large when its aliases are unfolded/],
    ['a split that contains itself', 'train: &t [*t]\nval: .\nnames: [a]\n', /a value contains itself/],
    ['names that contain themselves', `${split}names: &a [*a]\n`, /a value contains itself/],
    ['a name that is a list', `${split}names: [a, [b]]\n`, /name of class 1 must be text, got \["b"\]/],
    ['a long value', `${split}names: ${'x'.repeat(1_000_000)}\n`, /'names' must be a list or a map, got "x+…/],
    ['many aliases', `a: &a x\nb: [${'*a, '.repeat(1001)}]\n`, /aliases exceeded/],
    ['deep nesting', `a: ${'['.repeat(10_000)}`, /nesting exceeded/],
    ['too many classes', `${split}nc: 1000000000\n`, /1000000000 classes are more than/],
    ['a file that is too large', `${split}# ${'x'.repeat(5_000_000)}\n`, /larger than 4 MiB/],
    ['two documents', `${split}---\nnames: [a]\n`, /expected one document, got 2/],
    ['a list', '- a\n', /should hold keys such as path, train, val and names, but holds a list/],
  ])('data=: %s', (_, text, message) => refused(['check', `data=${file(text)}`], message));

  it.each<[string, string, RegExp]>([
    ['an alias bomb', bomb('classes'), /grows too large when its aliases are unfolded/],
    ['a value that contains itself', 'classes: &a [*a]\n', /a value contains itself/],
    ['a long key', `${'x'.repeat(1000)}: 1\n`, /'x+…' is not a valid argument/],
    ['a long value', `epochs: ${'x'.repeat(100_000)}\n`, /'epochs=x+…' is not allowed/],
  ])('cfg=: %s', (_, text, message) => refused(['train', `cfg=${file(text)}`, 'data=x'], message));

  it.runIf(engineReady()).each<[string, string, RegExp]>([
    ['an alias bomb', `nc: 2\nbackbone: []\n${bomb('head')}`, /grows too large when its aliases are unfolded/],
    ['rows that contain themselves', 'nc: 2\nbackbone: &a [*a]\nhead: []\n', /a value contains itself/],
  ])('model=: %s', async (_, text, message) => {
    const dir = tmpDir();
    const data = await writeTinyData(dir, { train: 1, val: 1 });
    await refused(['train', `model=${file(text)}`, `data=${data}`], message, dir);
  });

  it('in a run folder that is compared', async () => {
    const dir = tmpDir();
    mkdirSync(join(dir, 'run'));
    writeFileSync(join(dir, 'run', 'results.csv'), 'epoch\n1\n');
    writeFileSync(join(dir, 'run', 'args.yaml'), bomb('data'));
    await refused(['report', 'run'], /args\.yaml: it grows too large/, dir);
  });

  it('lists in lists on the command line', () => {
    const deep = `classes=${'['.repeat(30_000)}${']'.repeat(30_000)}`;
    return refused(['predict', deep, 'source=x'], /a list inside a list/);
  });
});
