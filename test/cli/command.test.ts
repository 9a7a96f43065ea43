import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cfgFolder } from '../../src/cfg/load.js';
import { MODES } from '../../src/cfg/option.js';
import { KEYS, keysOf } from '../../src/cfg/schema.js';
import { keyHelp } from '../../src/cli/help.js';
import { runCli } from '../helpers/run-cli.js';
import { tmpDir } from '../helpers/tmp.js';

const STACK = /\n\s+at /;
const COLOR = new RegExp(`${String.fromCharCode(27)}\\[`);

/** Prints the URL of every module that is loaded on standard error. */
const TRACE = [
  '--no-warnings',
  '--import',
  `data:text/javascript,${encodeURIComponent(`
    import { register } from 'node:module';
    register('data:text/javascript,' + encodeURIComponent(
      "import { writeSync } from 'node:fs';" +
      "export async function load(url, context, next) { writeSync(2, 'LOADED ' + url + '\\\\n'); return next(url, context); }"));
  `)}`,
];

describe('special words', () => {
  it.each([[[]], [['help']], [['--help']], [['-h']], [['detect', 'help']]])(
    'yolo %j prints the modes and words',
    async (args) => {
      const { code, stdout, stderr } = await runCli(args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
      for (const mode of MODES) expect(stdout).toMatch(new RegExp(`^  ${mode} `, 'm'));
    },
  );

  it.each(MODES)('yolo %s --help prints its keys within 80 columns', async (mode) => {
    const { code, stdout } = await runCli([mode, '--help']);
    expect(code).toBe(0);
    for (const key of keysOf(mode)) expect(stdout).toMatch(new RegExp(`^  ${key}=`, 'm'));
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  it('yolo help KEY explains the key', async () => {
    const { stdout } = await runCli(['help', 'conf']);
    expect(stdout).toContain('a number from 0 to 1');
    expect(stdout).toContain('train, val: conf=0.001\n');
    for (const key of KEYS)
      for (const line of keyHelp(key).split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  });

  it('yolo help KEY knows keys of other tools', async () => {
    expect((await runCli(['help', 'simplify'])).stdout).toContain('always simplified');
    expect((await runCli(['help', 'weights'])).stdout).toContain('called model here');
  });

  it('lists the environment variables that the README lists', async () => {
    const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
    const inReadme = [...readme.matchAll(/^\| `(YOLO_\w+)` \|/gm)].map(([, name]) => name);
    const inHelp = [...(await runCli(['help'])).stdout.matchAll(/^ {2}(YOLO_\w+) /gm)].map(([, name]) => name);
    expect(inHelp).toEqual(inReadme);
  });

  it('the help of a mode says nothing about others', async () => {
    expect((await runCli(['help', 'predict'])).stdout).toMatch(/^ {2}save=true +write annotated/m);
    expect((await runCli(['help', 'convert'])).stdout).not.toContain('webcam');
    expect((await runCli(['help', 'show'])).stdout).toMatch(/^yolo show: draw/);
    expect((await runCli(['help', 'save_txt'])).stdout).toContain('val, benchmark, predict, track\n');
  });

  it('help loads no TensorFlow', async () => {
    const { stderr } = await runCli(['train', '--help'], { node: TRACE });
    expect(stderr).toMatch(/LOADED file:.*dist\/cli\/main\.js/);
    expect(stderr).not.toMatch(/tensorflow|sharp|yargs|js-yaml/);
  });

  it('yolo version prints the version', async () => {
    const { version } = JSON.parse(readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8'));
    expect(await runCli(['version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('yolo cfg prints default.yaml', async () => {
    const { stdout } = await runCli(['cfg']);
    expect(stdout).toBe(readFileSync(join(cfgFolder(), 'default.yaml'), 'utf8'));
  });

  it('yolo copy-cfg writes a copy that can be used, and never over a file', async () => {
    const cwd = tmpDir();
    expect((await runCli(['copy-cfg'], { cwd })).code).toBe(0);
    const copy = join(cwd, 'default_copy.yaml');
    expect(existsSync(copy)).toBe(true);
    writeFileSync(copy, 'conf: 2\n');
    const again = await runCli(['copy-cfg'], { cwd });
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('already exists');
    expect(readFileSync(copy, 'utf8')).toBe('conf: 2\n');
    const used = await runCli(['predict', 'source=x.jpg', 'cfg=default_copy.yaml'], { cwd });
    expect(used).toMatchObject({ code: 2, stdout: '' });
    expect(used.stderr).toContain("'conf=2' is not allowed: conf takes a number from 0 to 1 (in default_copy.yaml)");
  });

  it('yolo completion prints a script', async () => {
    expect((await runCli(['completion', 'fish'])).stdout).toContain('complete -c yolo');
    expect((await runCli(['completion'], { env: { SHELL: '/bin/zsh' } })).stdout).toContain('#compdef yolo');
    expect((await runCli(['completion', 'tcsh'])).code).toBe(2);
  });

  it('yolo --complete answers the shell', async () => {
    expect((await runCli(['--complete', 'train', 'epo'])).stdout).toBe('epochs=\n');
  });
});

describe('wrong requests', () => {
  it.each<[string[], RegExp]>([
    [['train', 'epoch=3'], /^ERROR 'epoch' is not a valid argument\. Similar: epochs\n/],
    [['train', 'data=x.yaml', 'epochs=abc'], /'epochs=abc' is not allowed: epochs takes an integer of at least 1/],
    [['train', 'data=x.yaml', 'imgsz=-1'], /'imgsz=-1' is not allowed/],
    [['predict', 'source=x', 'conf=1.5'], /'conf=1.5' is not allowed: conf takes a number from 0 to 1/],
    [['train', 'data='], /'data=' has no value/],
    [['train', 'cfg=missing.yaml'], /cfg=missing\.yaml: there is no such file/],
    [['predict', 'model=yolov8n.pt'], /'source' is missing[\s\S]*yolo predict model=yolov8n\.pt source=bus\.jpg/],
    [['train'], /'data' is missing[\s\S]*yolo train data=/],
    [['check'], /'data' is missing/],
    [['benchmark', 'what=predict'], /needs source=/],
    [['model=yolov8n.pt'], /MODE is missing/],
    [['detect'], /MODE is missing/],
    [['segment', 'train'], /this tool does detection only/],
    [['predict', 'half=maybe', 'source=x'], /half takes true or false/],
    [['tune', 'data=x'], /'tune': hyperparameter search is not supported/],
    [['predict', 'batch_size=4', 'source=x'], /'batch_size' is not a valid argument\. Here it is called batch/],
    [
      ['predict', 'epochs=3', 'retina_masks'],
      /'epochs' is not used by predict[\s\S]*'retina_masks' belongs to[\s\S]*'source' is missing/,
    ],
    [['help', 'trian'], /Similar: train/],
    [['val', 'data=no-such-data.yaml'], /no-such-data\.yaml/],
    [['export', 'format=engine'], /format takes one of onnx, tfjs, .*\nformat=onnx, then: trtexec/],
    [['export', 'format=PT'], /format=torch writes a \.pt/],
    [['export', 'format=unheard-of'], /other runtimes import ONNX/],
    [['convert', 'source=x', 'format=engine'], /format takes one of yolo, coco, voc\n$/],
  ])('%j: one message, code 2, no stack, nothing on stdout', async (args, message) => {
    const { code, stdout, stderr } = await runCli(args, { cwd: tmpDir() });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(STACK);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it('takes the mode from a cfg file', async () => {
    const cwd = tmpDir();
    writeFileSync(join(cwd, 'args.yaml'), 'task: detect\nmode: predict\n');
    expect((await runCli(['cfg=args.yaml'], { cwd })).stderr).toContain("'source' is missing");
  });
});

describe('colours', () => {
  const wrong = ['train', 'epoch=3'];
  it('are off without a terminal', async () => {
    expect((await runCli(wrong)).stderr).not.toMatch(COLOR);
    expect((await runCli(['help'])).stdout).not.toMatch(COLOR);
  });
  it('are on with FORCE_COLOR, on both streams', async () => {
    expect((await runCli(wrong, { env: { FORCE_COLOR: '1' } })).stderr).toMatch(COLOR);
    expect((await runCli(['help'], { env: { FORCE_COLOR: '1' } })).stdout).toMatch(COLOR);
  });
  it('are off with NO_COLOR', async () => {
    expect((await runCli(wrong, { env: { NO_COLOR: '1' } })).stderr).not.toMatch(COLOR);
    expect((await runCli(['help'], { env: { NO_COLOR: '1' } })).stdout).not.toMatch(COLOR);
  });
});

describe('a reader that goes away', () => {
  it('ends the command without a word', async () => {
    const bin = fileURLToPath(new URL('../../bin/yolo.js', import.meta.url));
    const child = spawn(process.execPath, [bin, 'cfg'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});
