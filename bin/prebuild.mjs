/**
 * `npm run prebuild [PLATFORM …]` compiles the addons for all platforms with native/engine.json's wheels, from any Linux
 * machine, into prebuilt/<platform>/. The compiler is zig, a development tool that pip installs into the cache. Equal sources
 * give equal bytes. `npm pack` runs it; setup (bin/setup/engine.mjs) uses the results.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { checkAddon } from './prebuild/check-addon.mjs';
import { temporaryFolder } from './setup/lock.mjs';
import { addonSources, cacheDir, pins, prebuiltDir, root, sourcesDigest, tensorflowDir } from './setup/paths.mjs';
import { findProgram, lastLine, SetupProblem, say } from './setup/process.mjs';
import { provideTensorflow } from './setup/tensorflow.mjs';

const zig = JSON.parse(readFileSync(join(root, 'bin/prebuild/zig.json'), 'utf8'));
const headers = join(root, 'node_modules/node-api-headers');

/** For each platform: zig's name of it, arguments of the linker, and its addons. */
const PLATFORMS = {
  'linux-x64': { target: 'x86_64-linux-gnu.2.28', link: ['-pthread', '-ldl'], addons: ['session', 'fused', 'cuda'] },
  'linux-arm64': { target: 'aarch64-linux-gnu.2.28', link: ['-pthread', '-ldl'], addons: ['session', 'fused'] },
  'darwin-arm64': {
    target: 'aarch64-macos.12.0',
    link: ['-undefined', 'dynamic_lookup'],
    addons: ['session', 'fused'],
  },
  'win32-x64': { target: 'x86_64-windows-gnu', link: ['node_api.lib'], addons: ['session', 'fused'] },
};

const COMPILE = [
  ...['-O2', '-std=c++17', '-fPIC', '-shared', '-s', '-fvisibility=hidden', '-fno-sanitize=undefined'],
  ...['-ffp-contract=fast', '-DNAPI_VERSION=8', '-DBUILDING_NODE_EXTENSION'],
];

try {
  await main(process.argv.slice(2));
} catch (error) {
  say(`ERROR ${error.message}${error instanceof SetupProblem ? `. To do: ${error.faster}` : ''}`);
  process.exitCode = 1;
}

async function main(wanted) {
  const unknown = wanted.find((name) => !(name in PLATFORMS));
  if (unknown) throw new Error(`unknown platform ${unknown}: expected ${Object.keys(PLATFORMS).join(', ')}`);
  const names = wanted.length > 0 ? wanted : Object.keys(PLATFORMS);
  const missing = names.filter((name) => !prebuiltDir(name));
  if (missing.length === 0) return say('prebuilt: up to date');
  mkdirSync(cacheDir(), { recursive: true });
  await provideTensorflow(); // for its headers
  const compiler = provideZig();
  const stamp = join(root, 'prebuilt', 'sources.txt');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8').trim() !== sourcesDigest())
    rmSync(join(root, 'prebuilt'), { recursive: true });
  for (const name of missing) build(compiler, name);
  writeFileSync(stamp, `${sourcesDigest()}\n`);
}

/** Installs zig into the cache, verified by its hash. @returns its program */
function provideZig() {
  const folder = join(cacheDir(), `zig-${zig.version}`);
  const program = join(folder, 'ziglang', 'zig');
  if (existsSync(program)) return program;
  const python = findProgram('python3', 'python');
  if (!python) throw new SetupProblem('python with pip, which downloads zig, was not found', 'install python3-pip');
  say(`Downloading zig ${zig.version}, a C++ compiler for all platforms (101 MB) …`);
  const scratch = temporaryFolder(cacheDir());
  const list = join(scratch, 'requirements.txt');
  writeFileSync(list, `ziglang==${zig.version} ${zig.sha256.map((hash) => `--hash=sha256:${hash}`).join(' ')}\n`);
  const options = ['-q', '--no-deps', '--only-binary=:all:', '--require-hashes', '--target', join(scratch, 'zig')];
  const { status, stderr } = spawnSync(python, ['-m', 'pip', 'install', ...options, '-r', list], { encoding: 'utf8' });
  if (status !== 0)
    throw new SetupProblem(`pip could not install zig: ${lastLine(stderr)}`, 'run "npm run prebuild" again');
  renameSync(join(scratch, 'zig'), folder);
  rmSync(scratch, { recursive: true });
  return program;
}

/** Compiles the addons of a platform into a temporary folder, which is moved into place when all are as they have to be. */
function build(compiler, name) {
  const { target, link, addons } = PLATFORMS[name];
  const folder = join(root, 'prebuilt');
  const scratch = join(folder, `tmp-${process.pid}`);
  mkdirSync(scratch, { recursive: true });
  const zigRun = (...args) => execFileSync(compiler, args, { cwd: root, stdio: ['ignore', 2, 2] });
  const output = (file) => relative(root, join(scratch, file));
  try {
    say(`${name}: ${addons.join(', ')} …`);
    const libraries = link.map((option) => (option.endsWith('.lib') ? output(option) : option));
    if (name.startsWith('win32')) {
      const definitions = relative(root, join(headers, 'def/node_api.def'));
      zigRun('dlltool', '-m', 'i386:x86-64', '-D', 'node.exe', '-d', definitions, '-l', output('node_api.lib'));
    }
    const include = [`-I${relative(root, join(headers, 'include'))}`, `-I${join(tensorflowDir(), 'include')}`];
    for (const addon of addons) {
      const sources = addonSources(addon).map((file) => relative(root, file));
      zigRun('c++', '-target', target, ...COMPILE, ...include, ...sources, ...libraries, '-o', output(`${addon}.node`));
    }
    const { python } = pins.wheels[name];
    if (python)
      zigRun(
        'c++',
        '-target',
        target,
        '-Os',
        '-shared',
        '-s',
        pythonNames(),
        'native/windows/python.cc',
        '-o',
        output(python),
      );
    for (const file of readdirSync(scratch)) {
      if (file.endsWith('.node')) checkAddon(name, join(scratch, file));
      else if (file !== python) rmSync(join(scratch, file)); // import libraries, debug information
    }
    rmSync(join(folder, name), { recursive: true, force: true });
    renameSync(scratch, join(folder, name));
    for (const file of readdirSync(join(folder, name)))
      say(`  ${file} ${statSync(join(folder, name, file)).size} bytes`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The names that native/windows/python.cc defines, as a macro. */
function pythonNames() {
  const names = readFileSync(join(root, 'native/windows/python-names.txt'), 'utf8').trim().split('\n');
  const isObject = (name) => /^PyExc_|_Type$|Struct$/.test(name);
  return `-DPYTHON_NAMES=${names.map((name) => `${isObject(name) ? 'OBJECT' : 'FUNCTION'}(${name})`).join(' ')}`;
}
