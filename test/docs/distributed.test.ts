/** The Slurm script and the settings of docs/distributed.md, with small files under the names that the page has. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load, loadAll } from 'js-yaml';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { resolveConfig } from '../../src/cfg/load.js';
import { keysOf } from '../../src/cfg/schema.js';
import { writeTorch } from '../../src/export/torch.js';
import { specOf } from '../../src/nn/weights.js';
import { runLine } from '../helpers/installed.js';
import { liveModel } from '../helpers/live-model.js';
import { native } from '../helpers/native.js';
import { writeTinyData } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

vi.setConfig({ testTimeout: 300_000 });

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = readFileSync(join(ROOT, 'docs/distributed.md'), 'utf8');

/** Fenced blocks of a language. */
const blocks = (language: string): string[] =>
  [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, block]) => block);

describe('docs/distributed.md', () => {
  beforeAll(native);

  it('the tasks of the Slurm array find each other, train, and resume when the array is submitted again', async () => {
    const dir = tmpDir();
    const data = readFileSync(await writeTinyData(dir, { train: 6, val: 2 }), 'utf8');
    const names = ['blue', 'red', 'green'];
    writeFileSync(join(dir, 'my.yaml'), data.replace(/names:.*/, `names: [${names}]`));
    const checkpoint = { ...liveModel(), names, trainArgs: { imgsz: 64 } };
    writeTorch(join(dir, 'yolov8n.pt'), specOf(checkpoint), checkpoint, names, { half: false, version: '0' });
    mkdirSync(join(dir, 'bin'));
    const script = (name: string, text: string): void => {
      writeFileSync(join(dir, 'bin', name), `#!/bin/sh\n${text}\n`);
      chmodSync(join(dir, 'bin', name), 0o755);
    };
    script(
      'yolo',
      `exec "${process.execPath}" "${ROOT}bin/yolo.js" "$@" epochs=$EPOCHS workers=0 plots=false amp=false`,
    );
    script('hostname', 'echo 127.0.0.1');
    writeFileSync(join(dir, 'train.sbatch'), blocks('bash')[0]);
    const submit = (job: number, epochs: number) =>
      Promise.all(
        [0, 1].map((task) =>
          runLine('bash train.sbatch', dir, {
            ...process.env,
            PATH: `${join(dir, 'bin')}${delimiter}${process.env.PATH}`,
            SLURM_ARRAY_JOB_ID: String(job),
            SLURM_ARRAY_TASK_ID: String(task),
            SLURM_ARRAY_TASK_COUNT: '2',
            EPOCHS: String(epochs),
          }),
        ),
      );
    for (const [attempt, epochs] of [1, 2].entries()) {
      for (const { code, stderr } of await submit(process.pid + 2 * attempt, epochs)) expect(code, stderr).toBe(0);
      const rows = readFileSync(join(dir, 'runs/traffic/results.csv'), 'utf8').trim().split('\n');
      expect(rows).toHaveLength(1 + epochs);
    }
    expect(existsSync(join(dir, 'runs/traffic-2'))).toBe(false);
  });

  it('the manifests are YAML, and their commands are valid', () => {
    const [job, policy] = blocks('yaml').map((text) => load(text) as Record<string, unknown>);
    expect(job.kind).toBe('TFJob');
    expect(policy.kind).toBe('NetworkPolicy');
    expect(blocks('yaml').flatMap((text) => loadAll(text))).toHaveLength(2);
    const commands = [...PAGE.matchAll(/yolo train ((?:[a-z_]+(?:=[^\s;]+)? ?)+)/g)].map(([, words]) => words.trim());
    expect(commands.length).toBeGreaterThan(4);
    for (const words of commands) {
      const entries = words.split(' ').map((word): [string, string] => {
        const [key, value = 'true'] = word.split('=');
        return [key, value];
      });
      for (const [key] of entries) expect(keysOf('train')).toContain(key);
      expect(() => resolveConfig('train', Object.fromEntries(entries))).not.toThrow();
    }
  });
});
