import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/cfg/load.js';
import { comparisonLines } from '../../../src/cli/commands/report.js';
import { UserError } from '../../../src/core/errors.js';
import { compareRuns } from '../../../src/engine/report/compare.js';
import { commandLine, settingRows, shellWord } from '../../../src/engine/report/settings.js';
import { type EpochRow, writeResultsCsv } from '../../../src/engine/train/results.js';
import { tmpDir } from '../../helpers/tmp.js';

function writeRun(dir: string, fitness: number[], args: string): string {
  mkdirSync(dir, { recursive: true });
  const losses = { box_loss: 2, cls_loss: 3, dfl_loss: 1 };
  const rows = fitness.map(
    (value, i): EpochRow => ({
      epoch: i + 1,
      time: 10 * (i + 1),
      train: losses,
      val: losses,
      metrics: { precision: 0.5, recall: 0.6, mAP50: value * 1.5, 'mAP50-95': value },
      lr: [0.01, 0.01, 0.01],
    }),
  );
  writeResultsCsv(join(dir, 'results.csv'), rows);
  writeFileSync(join(dir, 'args.yaml'), args);
  return dir;
}

describe('compareRuns', () => {
  const root = tmpDir();
  const a = writeRun(join(root, 'x', 'train'), [0.1, 0.3, 0.2], 'epochs: 3\nlr0: 0.01\nname: train\nbatch: 16\n');
  const b = writeRun(join(root, 'y', 'train'), [0.4], 'epochs: 1\nlr0: 0.01\nname: other\nbatch: 16\n');

  it('finds the best epoch, what differs, and names that tell runs apart', () => {
    const { runs, settings, report } = compareRuns({ runs: [a, b], out: join(root, 'out') });
    expect(runs.map(({ name, epochs, bestEpoch }) => [name, epochs, bestEpoch])).toEqual([
      ['x/train', 3, 2],
      ['y/train', 1, 1],
    ]);
    expect(runs[0]['mAP50-95']).toBeCloseTo(0.3);
    expect(settings).toEqual({ epochs: ['3', '1'] });
    const page = readFileSync(report, 'utf8');
    expect(page).toContain('<td class="path"><strong>0.4000</strong></td>');
    const data = JSON.parse(/id="data">(.*?)<\/script>/s.exec(page)![1]);
    const fitness = data.charts.charts[0];
    expect(fitness.series.map(({ name, x, values }: Record<string, unknown>) => ({ name, x, values }))).toEqual([
      { name: 'x/train', x: [1, 2, 3], values: [0.1, 0.3, 0.2] },
      { name: 'y/train', x: [1], values: [0.4] },
    ]);
    expect(data.charts.x).toEqual([1, 2, 3]);
  });

  it('takes validations by their metrics.json', () => {
    const dir = join(root, 'val');
    mkdirSync(dir);
    writeFileSync(
      join(dir, 'metrics.json'),
      JSON.stringify({ mAP50: 0.5, 'mAP50-95': 0.25, classes: [{ name: '<b>', 'mAP50-95': 0.1 }] }),
    );
    const { runs, report } = compareRuns({ runs: [a, dir], out: join(root, 'out2') });
    expect(runs[1]).toMatchObject({ name: 'val', epochs: 0, mAP50: 0.5, 'mAP50-95': 0.25 });
    expect(readFileSync(report, 'utf8')).toContain('&#60;b&#62;');
  });

  it('writes beside the first run, each time into a new folder', () => {
    expect(compareRuns({ runs: [a, b] }).report).toBe(join(root, 'x', 'report', 'report.html'));
    expect(compareRuns({ runs: [a, b] }).report).toBe(join(root, 'x', 'report-2', 'report.html'));
  });

  it.each([
    ['a folder that is not there', () => [join(root, 'nix')], /there is no folder .*nix/],
    ['a folder that is no run', () => [root], /is no run: it has neither results.csv nor metrics.json/],
    ['nothing', () => [], /'runs' is missing/],
    [
      'a broken table',
      () => {
        const dir = join(root, 'broken');
        mkdirSync(dir, { recursive: true });
        writeFileSync(join(dir, 'results.csv'), 'hello\n');
        return [dir];
      },
      /results.csv can't be read: it has no column 'epoch'/,
    ],
  ])('refuses %s', (_, runs, message) => {
    expect(() => compareRuns({ runs: runs() })).toThrow(message);
    expect(() => compareRuns({ runs: runs() })).toThrow(UserError);
  });

  it('fits 80 columns', () => {
    const long = {
      dir: '',
      name: 'a/very/long/name/of/a/run/that/goes/on',
      epochs: 300,
      bestEpoch: 299,
      time: 360000,
      mAP50: 0.5,
    };
    const settings = {
      data: ['/a/long/path/to/some/data.yaml', '/another/long/path/to/data.yaml', 'c.yaml'],
      close_mosaic: ['1', '', '3'],
    };
    const lines = comparisonLines({ runs: [long, long, long], settings });
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(lines.at(-1)).toMatch(/close_mosaic +1 \| - \| 3$/);
  });
});

describe('settings of a run', () => {
  it('the command asks for the same again', () => {
    const config = resolveConfig('train', {
      model: 'a.pt',
      data: 'my data.yaml',
      epochs: '5',
      classes: '[0,2]',
      optimizer: 'SGD',
    });
    expect(commandLine('train', config)).toBe(
      "yolo train model=a.pt 'data=my data.yaml' 'classes=[0,2]' epochs=5 optimizer=SGD",
    );
  });
  it('tells what was changed', () => {
    const changed = settingRows('train', resolveConfig('train', { model: 'a.pt', epochs: '5' })).filter(
      (row) => row.changed,
    );
    expect(changed.map(({ key, value, usual }) => [key, value, usual])).toEqual([
      ['model', 'a.pt', ''],
      ['epochs', '5', '100'],
    ]);
  });
  it.each([
    ['a=b', 'a=b'],
    ["it's", "'it'\\''s'"],
    ['$(rm)', "'$(rm)'"],
  ])('%s for a shell', (text, want) => expect(shellWord(text)).toBe(want));
});
