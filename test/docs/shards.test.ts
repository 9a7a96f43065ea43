/** The command lines, scripts, Job and program of docs/shards.md, in a folder that has the files which they name. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { writeTorch } from '../../src/export/torch.js';
import { specOf } from '../../src/nn/weights.js';
import { filesIn } from '../helpers/files-in.js';
import { runLine } from '../helpers/installed.js';
import { liveModel } from '../helpers/live-model.js';
import type { CliRun } from '../helpers/run-cli.js';
import { writeTinyData } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

// Several processes one after the other.
vi.setConfig({ testTimeout: 300_000 });

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = readFileSync(join(ROOT, 'docs/shards.md'), 'utf8');

/** Fenced blocks of a language under a heading; '' is the beginning. */
function blocks(heading: string, language: string): string[] {
  const sections = PAGE.split(/^## /m);
  const section = sections.find((text, i) => (heading ? text.startsWith(`${heading}\n`) : i === 0)) ?? '';
  return [...section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, block]) => block);
}

let dir: string;
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  dir = tmpDir();
  const data = readFileSync(await writeTinyData(dir, { train: 1, val: 5 }), 'utf8');
  const names = ['blue', 'red', 'green'];
  writeFileSync(join(dir, 'my.yaml'), data.replace(/names:.*/, `names: [${names}]`));
  const checkpoint = { ...liveModel(), names, trainArgs: { imgsz: 64 } };
  writeTorch(join(dir, 'yolov8n.pt'), specOf(checkpoint), checkpoint, names, { half: false, version: '0' });
  for (const [path, bytes] of filesIn(join(dir, 'images/val'))) writeFileSync(join(dir, 'images', path), bytes);
  mkdirSync(join(dir, 'bin'));
  script('yolo', `exec "${process.execPath}" "${ROOT}bin/yolo.js" "$@"`);
  env = { ...process.env, PATH: `${join(dir, 'bin')}${delimiter}${process.env.PATH}`, FORCE_COLOR: undefined };
});

function script(name: string, text: string): void {
  writeFileSync(join(dir, 'bin', name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(dir, 'bin', name), 0o755);
}

async function run(line: string, more: NodeJS.ProcessEnv = {}): Promise<CliRun> {
  const done = await runLine(line, dir, { ...env, ...more });
  expect(done.code, done.stderr).toBe(0);
  return done;
}

/** What one process writes. */
async function whole(command: string): Promise<Map<string, Buffer>> {
  await run(`yolo ${command} project=whole`);
  return filesIn(join(dir, 'whole/traffic'));
}

const merged = (): Map<string, Buffer> => filesIn(join(dir, 'runs/detect/traffic'));

it('two processes', async () => {
  const [block] = blocks('', 'sh');
  for (const line of block.trim().split('\n')) await run(line);
  expect(merged()).toEqual(await whole('predict model=yolov8n.pt source=images/ name=traffic'));
});

it('the program', async () => {
  const [program] = blocks('', 'ts');
  writeFileSync(join(dir, 'program.mjs'), program.replace("'yolov8-tfjs'", `'${ROOT}dist/index.js'`));
  expect((await run('node program.mjs')).stdout).toMatch(/^[\d.]+\n$/);
});

const noParallel = spawnSync('parallel', ['--version']).error !== undefined;
it.skipIf(noParallel)(`GNU parallel${noParallel ? ' (left out: it is not installed)' : ''}`, async () => {
  const [block] = blocks('GNU parallel', 'sh');
  for (const line of block.trim().split('\n')) await run(line);
  await run('yolo val model=yolov8n.pt data=my.yaml name=night project=whole');
  const figures = (folder: string): unknown => {
    const { speed: _, save_dir: __, ...rest } = JSON.parse(readFileSync(join(dir, folder, 'metrics.json'), 'utf8'));
    return rest;
  };
  expect(figures('runs/detect/night')).toEqual(figures('whole/night'));
});

it('the Slurm array; sbatch is a script here that runs the tasks one after the other', async () => {
  const [array] = blocks('Slurm', 'bash');
  const [commands] = blocks('Slurm', 'sh');
  writeFileSync(join(dir, 'traffic.sbatch'), array);
  script(
    'sbatch',
    `if [ "$2" = --wrap ]; then exec sh -c "$3"; fi
n=$(sed -n 's/^#SBATCH --array=1-//p' "$2")
for i in $(seq "$n"); do SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_TASK_COUNT=$n bash "$2" >&2 || exit 1; done
echo 17`,
  );
  await run(commands);
  expect(merged()).toEqual(await whole('predict model=yolov8n.pt source=images/ save_txt name=traffic'));
});

describe('Kubernetes', () => {
  it('the containers of the Job, one of them twice', async () => {
    const [yaml] = blocks('Kubernetes', 'yaml');
    // biome-ignore lint/suspicious/noExplicitAny: the structure is Kubernetes'
    const { spec } = load(yaml) as any;
    const [{ command }] = spec.template.spec.containers;
    const [shell, option, text] = command;
    expect([shell, option, spec.completionMode]).toEqual(['sh', '-c', 'Indexed']);
    for (const index of [3, 0, 1, 2, 1].slice(-spec.completions - 1))
      await run(text, { JOB_COMPLETION_INDEX: String(index) });
    const [merge] = /yolo merge '[^']*'/.exec(PAGE.slice(PAGE.indexOf('kubectl wait')))!;
    await run(merge);
    expect(merged()).toEqual(await whole('predict model=yolov8n.pt source=images/ save_txt name=traffic'));
  });
});
