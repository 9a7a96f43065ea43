/**
 * Sets up the native engine: the addons, prebuilt or compiled, for the TensorFlow that tensorflow.mjs provides; compiled, also
 * the addon and the JavaScript of tfjs-node-gpu. Used by bin/setup.mjs in a clone and by `yolo setup` in an installed package. It can be repeated, run
 * concurrently and interrupted: the engine is complete or absent.
 */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder, withLock } from './lock.mjs';
import {
  addonSources,
  cacheDir,
  engineDir,
  engineReady,
  failureFile,
  isClone,
  lastFailure,
  pins,
  prebuiltDir,
  setupCommand,
  tensorflowDir,
  wheelPin,
} from './paths.mjs';
import { findProgram, lastLine, npmCommand, run, SetupProblem, say } from './process.mjs';
import { provideTensorflow } from './tensorflow.mjs';

const require = createRequire(import.meta.url);
/** A failed set-up is not repeated within this time, unless the user requests it. */
const RETRY_MS = 24 * 3600 * 1000;

/**
 * @param {{ force?: boolean, retry?: boolean }} options force: builds it again; retry: repeats a set-up that failed recently
 * @returns {Promise<{ ready: boolean, changed: boolean, why?: string, faster?: string }>} does not throw: why has the reason
 */
export async function setupEngine({ force = false, retry = true } = {}) {
  if (engineReady() && !force) return { ready: true, changed: false };
  const last = lastFailure();
  if (last && !retry && !force && Date.now() - last.at < RETRY_MS) return { ready: false, changed: false, ...last };
  try {
    const source = checkMachine();
    mkdirSync(cacheDir(), { recursive: true });
    await withLock(
      cacheDir(),
      () => build(source, force),
      () => say('Waiting for another set-up to finish …'),
    );
    rmSync(failureFile(), { force: true });
    return { ready: true, changed: true };
  } catch (error) {
    return noteFailure(error, { file: failureFile(), command: setupCommand });
  }
}

/**
 * Stores the reason of a failure, for later messages about the engine.
 * @param {{ file: string, command: string }} setUp file for the reason, and the command of the set-up
 */
export function noteFailure(error, { file, command }) {
  const { why, faster } = problemOf(error, command);
  try {
    mkdirSync(cacheDir(), { recursive: true });
    writeFileSync(file, `${JSON.stringify({ why, faster, at: Date.now() })}\n`);
  } catch {
    // the cache is not writable, which is the reason itself
  }
  return { ready: false, changed: false, why, faster };
}

/**
 * Reason and remedy of a failed set-up, with explanations of file system errors.
 * @param {string} command of the set-up
 * @returns {{ why: string, faster: string }}
 */
function problemOf(error, command) {
  if (error instanceof SetupProblem) return error;
  const again = `then run "${command}"`;
  if (error.code === 'ENOSPC') return { why: `the disk of ${cacheDir()} is full`, faster: `free some space, ${again}` };
  if (['EACCES', 'EPERM', 'EROFS', 'ENOTDIR'].includes(error.code)) {
    return {
      why: `the cache folder ${cacheDir()} cannot be written (${error.code})`,
      faster: `set YOLO_CACHE to a folder that can be written, ${again}`,
    };
  }
  return { why: `its set-up failed: ${error.message}`, faster: `run "${command}" again` };
}

/** The oldest glibc for which TensorFlow's wheels and the prebuilt addons are built. */
const GLIBC = [2, 28];

/**
 * Where the addons come from: the packed package has compiled ones; in a clone, which may have changed sources, a compiler
 * comes first.
 * @returns {{ prebuilt: string } | { compiler: string }}
 * @throws SetupProblem when the engine cannot be set up on this machine
 */
function checkMachine() {
  if (!wheelPin()) {
    throw new SetupProblem(
      `there is no native engine for ${process.platform}-${process.arch}`,
      `use one of ${Object.keys(pins.wheels).join(', ')}`,
    );
  }
  if (process.platform === 'linux') checkGlibc();
  const prebuilt = prebuiltDir();
  if (prebuilt && !isClone) return { prebuilt };
  const compiler = process.platform === 'win32' ? undefined : findProgram('g++', 'c++', 'clang++');
  if (compiler) return { compiler };
  if (prebuilt) return { prebuilt };
  if (process.platform === 'win32')
    throw new SetupProblem(
      'a clone has no compiled addons for Windows',
      'run "npm run prebuild", or install the package',
    );
  throw new SetupProblem(
    'no C++ compiler (g++, c++ or clang++) was found',
    `install one (${compilerHint()}), then run "${setupCommand}"`,
  );
}

function compilerHint() {
  if (process.platform === 'darwin') return 'xcode-select --install';
  return 'Debian, Ubuntu: apt-get install g++; Fedora: dnf install gcc-c++';
}

/** @throws SetupProblem when the C library is not glibc, or too old */
function checkGlibc() {
  const version = process.report.getReport().header.glibcVersionRuntime;
  const distribution = `use a distribution with glibc ${GLIBC.join('.')} or newer (Debian 10, Ubuntu 20.04, RHEL 8 …)`;
  if (!version) throw new SetupProblem("TensorFlow's Linux build needs glibc", distribution);
  const [major, minor] = version.split('.').map(Number);
  if (major > GLIBC[0] || minor >= GLIBC[1]) return;
  throw new SetupProblem(
    `TensorFlow needs glibc ${GLIBC.join('.')} or newer; this system has ${version}`,
    distribution,
  );
}

/** Builds the engine in a temporary folder, which is renamed after a test. */
async function build({ prebuilt, compiler }, force) {
  if (engineReady() && !force) return;
  await provideTensorflow();
  const folder = temporaryFolder(cacheDir());
  if (prebuilt) cpSync(prebuilt, folder, { recursive: true });
  else await compile(compiler, folder);
  checkProcessor(join(folder, 'session.node'));
  await smokeTest(folder);
  const origin = prebuilt ? 'prebuilt' : compiler;
  const facts = {
    tensorflow: pins.tensorflow,
    tfjs: pins.tfjs,
    compiler: origin,
    node: process.version,
    date: new Date(),
  };
  writeFileSync(join(folder, 'engine.json'), `${JSON.stringify(facts, null, 2)}\n`);
  rmSync(engineDir(), { recursive: true, force: true });
  renameSync(folder, engineDir());
}

/** Files of tfjs-node-gpu that are copied: the addon's sources and the JavaScript, without tests and types. */
function isNeeded(file) {
  return /^(package\.json$|binding(\/|$)|dist(\/|$))/.test(file) && !/(_test|run_tests)\.js$|\.d\.ts$/.test(file);
}

/** Copies a package from node_modules, or from the registry if a failed install script has removed it. */
async function copyPackage(name, scratch, target, filter) {
  const from = installed(name) ?? (await fetchPackage(name, scratch));
  cpSync(from, target, {
    recursive: true,
    filter: (source) => source === from || filter(source.slice(from.length + 1).replaceAll('\\', '/')),
  });
  rmSync(join(scratch, 'package'), { recursive: true, force: true });
}

/** Folder of an installed package of the pinned version. */
function installed(name) {
  try {
    const manifest = require.resolve(`${name}/package.json`);
    return require(manifest).version === pins.npm[name].version ? dirname(manifest) : undefined;
  } catch {
    return undefined;
  }
}

async function fetchPackage(name, folder) {
  const { version, integrity } = pins.npm[name];
  const again = `when the network is available, run "${setupCommand}"`;
  const npm = npmCommand();
  if (!npm)
    throw new SetupProblem(`npm, which fetches ${name}, was not found`, `install npm, then run "${setupCommand}"`);
  const args = ['pack', `${name}@${version}`, '--pack-destination', folder, '--ignore-scripts', '--loglevel=error'];
  const { code, output } = await run(npm[0], [...npm[1], ...args], { cwd: folder });
  const file = readdirSync(folder).find((f) => f.endsWith('.tgz'));
  if (code !== 0 || !file) throw new SetupProblem(`npm could not fetch ${name}: ${lastLine(output)}`, again);
  const archive = join(folder, file);
  const hash = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (hash !== integrity) throw new SetupProblem(`the fetched ${name} is not the file that was expected`, again);
  const tar = await run(findProgram('tar') ?? 'tar', ['-xzf', archive, '-C', folder]);
  if (tar.code !== 0) throw new SetupProblem(`tar could not unpack ${name}: ${lastLine(tar.output)}`, 'install tar');
  rmSync(archive);
  return join(folder, 'package');
}

/**
 * Compiles the addons: session (TensorFlow sessions); fused (custom ops, without which the engine works, but slower); on
 * Linux with an x86-64 processor also cuda (queries of the NVIDIA driver) and that of tfjs-node-gpu, for eager TensorFlow.js.
 */
async function compile(compiler, folder) {
  say(`Compiling the engine's addons with ${basename(compiler)} …`);
  const required = [ownAddon('session', folder)];
  if (process.platform === 'linux' && process.arch === 'x64')
    required.push(ownAddon('cuda', folder), await eagerAddon(folder));
  // allows fused multiply-add instructions, which -std=c++17 disables
  const jobs = [...required, ['-ffp-contract=fast', '-Wno-psabi', ...ownAddon('fused', folder)]];
  const results = await Promise.all(jobs.map((job) => run(compiler, [...compilerFlags(), ...job])));
  const fused = results.pop();
  if (fused.code !== 0) {
    say(`The ops that make training faster could not be compiled, so it runs without them: ${lastLine(fused.output)}`);
    rmSync(join(folder, 'fused.node'), { force: true });
  }
  for (const { code, output } of results) {
    if (code === 0) continue;
    const headersMissing = /fatal error: (?:cstdio|string|stdio\.h|algorithm)/.test(output);
    throw new SetupProblem(
      `${compiler} could not compile the addon: ${lastLine(output)}`,
      `${headersMissing ? `install the compiler's standard library (${compilerHint()})` : 'report this'}, then run "${setupCommand}"`,
    );
  }
  rmSync(join(folder, 'tfjs-node-gpu', 'binding'), { recursive: true, force: true });
}

/** Arguments of the compiler for an addon of native/, which is not linked to TensorFlow. */
function ownAddon(name, folder) {
  const system = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : ['-pthread', '-ldl'];
  return ['-fvisibility=hidden', ...addonSources(name), ...system, '-o', join(folder, `${name}.node`)];
}

/** Copies tfjs-node-gpu. @returns arguments for its addon, which is linked to TensorFlow's libraries in the cache */
async function eagerAddon(folder) {
  const pkg = join(folder, 'tfjs-node-gpu');
  await copyPackage('@tensorflow/tfjs-node-gpu', folder, pkg, isNeeded);
  await copyPackage('google-protobuf', folder, join(folder, 'node_modules/google-protobuf'), () => true);
  const library = (name) => [`-l:libtensorflow_${name}.so.2`, `-Wl,-rpath,$ORIGIN/../${basename(tensorflowDir())}/lib`];
  return [
    ...[`-I${pkg}`, join(pkg, 'binding/tfjs_backend.cc'), join(pkg, 'binding/tfjs_binding.cc')],
    ...['-o', join(folder, 'tfjs_binding.node')],
    ...[`-L${join(tensorflowDir(), 'lib')}`, ...library('cc'), ...library('framework')],
  ];
}

function compilerFlags() {
  const headers = join(dirname(require.resolve('node-api-headers/package.json')), 'include');
  const options = ['-O2', '-std=c++17', '-fPIC', '-shared', '-DNAPI_VERSION=8', '-DBUILDING_NODE_EXTENSION'];
  return [...options, `-I${headers}`, `-I${join(tensorflowDir(), 'include')}`];
}

/** Checks the processor of an addon on Linux, whose dynamic loader reports another one as a missing file. @throws SetupProblem */
function checkProcessor(addon) {
  if (process.platform !== 'linux') return;
  const machine = readFileSync(addon).readUInt16LE(18); // e_machine (System V gABI)
  const processor = { 62: 'x64', 183: 'arm64' }[machine];
  if (processor === process.arch) return;
  throw new SetupProblem(
    `the addon is for ${processor ?? 'another processor'}, and this is ${process.arch}`,
    'install the package again, on this machine',
  );
}

/** Computes something in a separate process, since an incompatible library may end the process. */
async function smokeTest(folder) {
  const script = fileURLToPath(new URL('./smoke.mjs', import.meta.url));
  const { code, output } = await run(process.execPath, [script, folder]);
  if (code === 0) return;
  throw new SetupProblem(
    `the engine was built but does not work here: ${code === null ? 'its process was killed' : lastLine(output)}`,
    'report this together with the output of "yolo checks"',
  );
}
