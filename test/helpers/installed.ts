import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDir } from '../../bin/setup/paths.mjs';
import type { CliRun } from './run-cli.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The package as a user has it: packed, and unpacked where `npm install -g` puts it. */
export interface Installed {
  /** Folder of the package. */
  folder: string;
  /** Folder with the command. */
  bin: string;
  /** For its processes: the command along PATH, and a cache of its own that holds the native engine of this machine. */
  env: NodeJS.ProcessEnv;
}

/**
 * Packs this project and installs it below `prefix`. The network is not needed: its dependencies, and no others, are links
 * to those of this project.
 */
export function installPackage(prefix: string): Installed {
  const pack = ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', prefix];
  runOrThrow('npm', pack, ROOT);
  const archive = readdirSync(prefix).find((name) => name.endsWith('.tgz'))!;
  const folder = join(prefix, 'lib/node_modules/yolov8-tfjs');
  mkdirSync(folder, { recursive: true });
  runOrThrow('tar', ['-xzf', archive, '-C', folder, '--strip-components=1'], prefix);
  const { dependencies, optionalDependencies, bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies }))
    linkPackage(name, join(folder, 'node_modules'));
  mkdirSync(join(prefix, 'bin'));
  for (const [name, file] of Object.entries<string>(bin)) symlinkSync(join(folder, file), join(prefix, 'bin', name));
  const path = `${join(prefix, 'bin')}${delimiter}${process.env.PATH}`;
  const own = {
    PATH: path,
    YOLO_CACHE: cacheWithEngine(join(prefix, 'cache')),
    NO_COLOR: '1',
    NODE_OPTIONS: undefined,
  };
  return { folder, bin: join(prefix, 'bin'), env: { ...process.env, FORCE_COLOR: undefined, ...own } };
}

/** Links an installed package of this project into a node_modules folder. */
export function linkPackage(name: string, nodeModules: string): void {
  const from = join(ROOT, 'node_modules', name);
  if (!existsSync(from)) return;
  mkdirSync(dirname(join(nodeModules, name)), { recursive: true });
  symlinkSync(from, join(nodeModules, name));
}

/** A cache with the native engine of this machine, and nothing else. */
function cacheWithEngine(folder: string): string {
  mkdirSync(folder);
  for (const name of readdirSync(cacheDir()))
    if (/^(engine|tensorflow)-/.test(name)) symlinkSync(join(cacheDir(), name), join(folder, name));
  return folder;
}

/** Runs a command line in a shell, without a terminal. */
export function runLine(line: string, cwd: string, env: NodeJS.ProcessEnv): Promise<CliRun> {
  const child = spawn('sh', ['-c', line], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const run: CliRun = { code: null, stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      run[name] += text;
    });
  return new Promise((resolve) => child.on('close', (code) => resolve({ ...run, code })));
}

function runOrThrow(program: string, args: string[], cwd: string): void {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with code ${status}:\n${stdout}\n${stderr}`);
}
