/**
 * Every command line of README.md and of `yolo help`, and every program in README.md, as a user runs them: with the
 * installed package, in processes of their own, in one folder. Names in them stand for small files of this test; what would
 * take long is shortened, and what cannot be run here has its reason.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { MODES } from '../../src/cfg/option.js';
import { generalHelp, modeHelp } from '../../src/cli/help.js';
import { writeTorch } from '../../src/export/torch.js';
import { specOf } from '../../src/nn/weights.js';
import { type Installed, installPackage, linkPackage, runLine } from '../helpers/installed.js';
import { liveModel } from '../helpers/live-model.js';
import { native } from '../helpers/native.js';
import type { CliRun } from '../helpers/run-cli.js';
import { writeTinyData, writeTinyModel } from '../helpers/tiny-data.js';
import { tmpDir } from '../helpers/tmp.js';

// Processes of their own, on machines that do other things besides.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const NAMES = ['blue', 'red', 'green'];

/** Lines that are not run as they stand: why not, and where they are tried. */
const NOT_RUN: Record<string, string> = {
  'npm test': 'runs this test',
  'npm run setup': '.ci/run begins with it; test/setup tries its parts',
  'npm install -g ./yolov8-tfjs-0.1.0.tgz':
    'fetches dependencies; installPackage does the same with those of this project',
  'npm test -- test/io/zip.test.ts': 'runs vitest, as this test does',
  'npm run lint && npm run types': '.ci/run runs both',
  '.ci/run': 'runs this test',
  'YOLO_REFERENCE=/folder npm run test:reference': 'needs released weights and data',
  'yolo setup gpu': 'downloads 3 GB; test/setup tries its parts',
};

/** What package.json runs for it, run in the installed package, with fewer images and epochs. */
const DEMO = 'npm run demo';

/** Added to a line whose own settings would take minutes. */
const SHORTER: [line: RegExp, keys: string][] = [
  [/^yolo train data=/, 'epochs=1 imgsz=64 batch=4 workers=0'],
  [/^yolo train resume=/, 'epochs=2'], // the run above it is finished, not interrupted
  [/^yolo benchmark /, 'imgsz=64 batch=2 steps=1 epochs=1 repeats=1 workers=0'],
];

/** The commands in the sh blocks of a text, without comments. */
function commandsOf(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block);
  const lines = blocks.join('').split('\n');
  return lines.map((line) => line.replace(/\s+#\s.*$/, '').trim()).filter((line) => line !== '');
}

/** The examples that help prints. */
function examplesOf(help: string): string[] {
  return [...help.matchAll(/^ {2}(yolo [a-z]+ .*)$/gm)].map(([, line]) => line).filter((line) => !line.includes('…'));
}

/** The programs in the ts blocks of a text. */
function programsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, block]) => block);
}

const documented = commandsOf(README);
const examples = [generalHelp('0'), ...MODES.map(modeHelp)].flatMap(examplesOf);
const yoloLines = documented.map((line) => line.replace(/^npx /, '')).filter((line) => line.startsWith('yolo '));
const lines = [...new Set([...yoloLines, ...examples].map((line) => line.replaceAll(/ +/g, ' ')))].filter(
  (line) => !(line in NOT_RUN),
);
const programs = programsOf(README);

const dir = tmpDir();
const image = join(dir, 'images/val/0.png');
let installed: Installed;

beforeAll(async () => {
  await native();
  const prefix = tmpDir();
  installed = installPackage(prefix);
  // Images are 0.png … in images/, with labels beside them.
  const data = readFileSync(await writeTinyData(dir, { train: 6, val: 2 }), 'utf8');
  for (const name of ['my.yaml', 'coco128.yaml'])
    writeFileSync(join(dir, name), data.replace(/names:.*/, `names: [${NAMES}]`));
  const checkpoint = { ...liveModel(), names: NAMES };
  writeTorch(join(dir, 'yolov8n.pt'), specOf(checkpoint), checkpoint, NAMES, { half: false, version: '0' });
  writeFileSync(join(dir, 'yolov8n.yaml'), readFileSync(writeTinyModel(dir), 'utf8').replace('\n  t:', '\n  n:'));
  cpSync(image, join(dir, 'bus.jpg')); // a PNG under that name: content decides
  for (const folder of ['images', 'videos']) cpSync(join(dir, 'images/val'), join(dir, folder), { recursive: true });
  writeFileSync(join(dir, 'zones.yaml'), 'lines:\n  gate: [[0, 0.5], [1, 0.5]]\n');
  writeCoco('instances.json');
  writeCoco('annotations.json');
});

function writeCoco(name: string): void {
  const categories = NAMES.map((name, i) => ({ id: i + 1, name }));
  const images = [{ id: 7, file_name: '0.png', width: 64, height: 64 }];
  const annotations = [{ id: 1, image_id: 7, category_id: 2, bbox: [8, 16, 24, 32], area: 768, iscrowd: 0 }];
  writeFileSync(join(dir, name), JSON.stringify({ images, annotations, categories }));
}

/** What other lines would have left before this one. */
function prepare(line: string): void {
  const [first, second] = ['runs/detect/train', 'runs/detect/train-2'].map((name) => join(dir, name));
  if (line.includes('train-2') && !existsSync(second)) cpSync(first, second, { recursive: true });
  if (line.includes('model=best.safetensors'))
    cpSync(join(first, 'weights/best.safetensors'), join(dir, 'best.safetensors'));
}

/** Whether a mode has done its work, by what it says and leaves. */
const DONE: Record<string, (run: CliRun) => boolean> = {
  track: ({ stdout }) => /640x640|"id":1\b/.test(stdout),
  predict: ({ stdout }) => /640x640|"detections":\[\{"class":/.test(stdout),
  train: ({ stderr }) => there(/Weights saved to (\S*best\S*)/.exec(stderr)?.[1]),
  val: ({ stderr }) => there(`${/Results saved to (\S+)/.exec(stderr)?.[1]}/metrics.json`),
  export: ({ stdout }) => allThere(stdout),
  check: ({ stdout }) => stdout.includes('my.yaml'),
  convert: ({ stdout }) => allThere(stdout),
  show: ({ stdout }) => there(/^(runs\S+\.jpg): |→ (runs\S+\.jpg)$/m.exec(stdout)?.slice(1).find(Boolean)),
  report: ({ stderr }) => there(/Report saved to (\S+)/.exec(stderr)?.[1]),
  merge: ({ stderr }) => there(/Results saved to (\S+)/.exec(stderr)?.[1]),
  benchmark: ({ stdout }) =>
    stdout.startsWith('measure ') ? stdout.includes('\ntraining step') : typeof JSON.parse(stdout).engine === 'string',
  help: ({ stdout }) => /^yolo \w+: /.test(stdout),
  checks: ({ stdout }) => stdout.includes('TensorFlow'),
  setup: ({ stderr }) => /^Engine: TensorFlow .*native/m.test(stderr),
};

function there(file: string | undefined): boolean {
  return file !== undefined && existsSync(resolve(dir, file));
}

function allThere(stdout: string): boolean {
  return stdout.trim().split('\n').every(there);
}

describe('command lines', () => {
  it('every one is run here or has its reason; no reason is left over', () => {
    const others = documented.filter((line) => (line in NOT_RUN || !/^(npx )?yolo /.test(line)) && line !== DEMO);
    expect(documented).toContain(DEMO);
    expect([...new Set(others)].sort()).toEqual(Object.keys(NOT_RUN).sort());
    expect(yoloLines.length).toBeGreaterThan(10);
    expect(new Set(lines.map((line) => line.split(' ')[1]))).toEqual(new Set(Object.keys(DONE)));
  });

  it.each(lines)('%s', async (line) => {
    prepare(line);
    const more = SHORTER.filter(([pattern]) => pattern.test(line)).map(([, keys]) => keys);
    const run = await runLine([line, ...more].join(' '), dir, installed.env);
    if (line === 'yolo checks gpu' && !existsSync('/proc/driver/nvidia')) {
      expect(run.stdout + run.stderr).toMatch(/NVIDIA driver/);
      expect(run.code).toBe(1);
      return;
    }
    if (/ device=0\b/.test(line) && !existsSync('/proc/driver/nvidia')) {
      expect(run.stderr).toMatch(/device=0: this machine shows no NVIDIA driver/);
      expect(run.code).toBe(2);
      return;
    }
    expect(run.code, run.stderr).toBe(0);
    expect(run.stderr).not.toContain('ERROR');
    expect(DONE[line.split(' ')[1]](run), run.stderr + run.stdout.slice(0, 1000)).toBe(true);
  });
});

it(`${DEMO}, shortened`, async () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const run = await runLine(`${scripts.demo} epochs=1 fraction=0.05`, installed.folder, installed.env);
  expect(run.code, run.stderr).toBe(0);
  expect(run.stderr).toMatch(/Look at runs\/demo\/predict/);
  const drawn = readdirSync(join(installed.folder, 'runs/demo/predict'));
  expect(drawn.filter((name) => name.endsWith('.jpg') || name.endsWith('.png')).length).toBeGreaterThan(10);
});

describe('programs', () => {
  const consumer = join(dir, 'programs');
  const shorter = (program: string): string =>
    program.replace(/epochs: \d+/, 'epochs: 1, imgsz: 64, batch: 4, workers: 0');

  beforeAll(() => {
    mkdirSync(join(consumer, 'node_modules'), { recursive: true });
    symlinkSync(installed.folder, join(consumer, 'node_modules/yolov8-tfjs'));
    for (const name of ['@types/node', 'undici-types']) linkPackage(name, join(consumer, 'node_modules'));
    writeFileSync(join(consumer, 'package.json'), '{ "type": "module" }');
    const options = { target: 'es2022', module: 'nodenext', strict: true, skipLibCheck: false, types: ['node'] };
    programs.forEach((program, i) => {
      writeFileSync(join(consumer, `program${i}.ts`), shorter(program));
    });
    const files = programs.map((_, i) => `program${i}.ts`);
    writeFileSync(join(consumer, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files }));
  });

  it('compile in strict mode, the types that come with the package included', () => {
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [tsc], { cwd: consumer, encoding: 'utf8' });
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  it.each(programs.map((program, i) => [i + 1, program] as const))('number %i runs', async (number) => {
    const run = await runLine(`node programs/program${number - 1}.js`, dir, installed.env);
    expect(run.code, run.stderr).toBe(0);
    expect(run.stdout).not.toBe('');
  });
});
