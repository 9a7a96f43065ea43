import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cocoRows, costRows, tableHeader, tableRows } from '../../src/engine/val/table.js';
import { ERROR_KINDS, type ErrorKind } from '../../src/metrics/errors.js';
import { createTally, type Metrics } from '../../src/metrics/tally.js';
import { writeTinyData } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

describe('tables of a validation', () => {
  const metrics: Metrics = {
    ...createTally(['a']).finish(),
    images: 123456,
    instances: 12345678,
    precision: 0.123456,
    recall: 1,
    mAP50: 0.00000507,
    'mAP50-95': 2.5e-6,
    classes: ['a class with a very long name', 'b'].map((name, id) => ({
      class: id,
      name,
      images: 123456,
      instances: 12345678,
      precision: 0.5,
      recall: 0.25,
      mAP50: 0.0123456,
      'mAP50-95': 0.000123,
    })),
    costs: Object.fromEntries(ERROR_KINDS.map((kind) => [kind, 0.0123])) as Record<ErrorKind, number>,
  };

  it('fit 80 columns, and columns stay apart', () => {
    const lines = [tableHeader(), ...tableRows(metrics, true)];
    for (const line of [...lines, ...costRows(metrics), ...cocoRows(metrics)])
      expect(line.length).toBeLessThanOrEqual(80);
    for (const line of lines) expect(line.trim().split(/ {2,}/)).toHaveLength(7);
  });

  it('give three digits, and no more decimals than say something', () => {
    const [all] = tableRows(metrics, false);
    expect(all.trim().split(/ +/).slice(3)).toEqual(['0.123', '1', '0.00001', '0']);
  });
});

/** Runs the built command in a pseudo terminal. */
const hasScript = process.platform === 'linux' && spawnSync('script', ['--version']).status === 0;

describe.skipIf(!hasScript)('on a terminal (skipped without script(1))', () => {
  const bin = fileURLToPath(new URL('../../bin/yolo.js', import.meta.url));
  const [HIDE, SHOW] = ['\x1b[?25l', '\x1b[?25h'];
  function inTerminal(args: string, env: NodeJS.ProcessEnv = {}): string {
    const command = `stty cols 80; ${process.execPath} ${bin} ${args}`;
    const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
      encoding: 'utf8',
      env: { ...process.env, TERM: 'xterm', ...env },
    });
    return stdout;
  }
  const count = (text: string, what: string): number => text.split(what).length - 1;

  it('a bar hides the cursor and gives it back', async () => {
    const data = await writeTinyData(tmpDir(), { train: 40, val: 10 });
    const text = inTerminal(`check data=${data}`);
    expect(count(text, HIDE)).toBeGreaterThan(0);
    expect(text.lastIndexOf(SHOW)).toBeGreaterThan(text.lastIndexOf(HIDE));
  });

  it.each([
    ['verbose=false', {}],
    ['', { TERM: 'dumb' }],
  ])('no bar with %s %o', async (option, env) => {
    const data = await writeTinyData(join(tmpDir(), 'd'), { train: 4, val: 2 });
    const text = inTerminal(`check data=${data} ${option}`, env);
    expect(text).not.toContain(HIDE);
    expect(text).toContain('train');
  });
});
