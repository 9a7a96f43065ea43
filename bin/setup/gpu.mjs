/**
 * Sets up the GPU engine: the wheels of native/engine-gpu.json are downloaded, verified, unpacked and moved into place one
 * after the other, so that an interrupted set-up resumes with the next wheel and damaged ones are downloaded again. It needs
 * the CPU engine, whose addons load these libraries, but no GPU.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findDriver, isOlder } from './driver.mjs';
import { noteFailure } from './engine.mjs';
import { gpuDir, gpuFailureFile, gpuPins, gpuReady, gpuSetupCommand, isGpuPlatform } from './gpu-paths.mjs';
import { temporaryFolder, withLock } from './lock.mjs';
import { cacheDir, engineReady } from './paths.mjs';
import { downloadWheel, wheelDefect } from './pip.mjs';
import { findProgram, lastLine, progress, run, SetupProblem, say } from './process.mjs';
import { checkSpace } from './tensorflow.mjs';
import { extract, readDirectory } from './wheel.mjs';

/** Inside a wheel's folder, written before the folder is moved into place: { sha256, files: { name: bytes } }. */
const MANIFEST = 'wheel.json';
const LICENCE = /\.dist-info\/(?:licenses\/)?licen[cs]e\.txt$/i;
const AGAIN = `run "${gpuSetupCommand}" again`;
const gb = (bytes) => `${(bytes / 1e9).toFixed(1)} GB`;
const packages = (wheels) => `${wheels.length} package${wheels.length === 1 ? '' : 's'}`;
const sum = (wheels, key) => wheels.reduce((total, wheel) => total + wheel[key], 0);

/**
 * Checks all wheels and downloads those that are missing.
 * @returns {Promise<{ ready: boolean, changed: boolean, why?: string, faster?: string }>} does not throw: why has the reason
 */
export async function setupGpu() {
  try {
    checkMachine();
    mkdirSync(cacheDir(), { recursive: true });
    const changed = await withLock(cacheDir(), provide, () => say('Waiting for another set-up to finish …'));
    rmSync(gpuFailureFile(), { force: true });
    return { ready: true, changed };
  } catch (error) {
    return noteFailure(error, { file: gpuFailureFile(), command: gpuSetupCommand });
  }
}

/** @returns why the GPU engine cannot be used on this machine; undefined when it can */
export function noGpuReason() {
  if (!isGpuPlatform()) return 'GPUs are used on Linux with an x86-64 processor only';
  const driver = findDriver();
  if (!driver) return 'this machine shows no NVIDIA driver';
  const { version } = gpuPins.driver;
  if (driver.version && isOlder(driver.version, version))
    return `the NVIDIA driver ${driver.version} is too old: ${version} or newer is needed`;
  return undefined;
}

/** @returns a description of what would be downloaded; undefined when nothing is missing */
export function describeDownload() {
  const wheels = gpuPins.wheels.filter((pin) => !isComplete(pin));
  if (wheels.length === 0) return undefined;
  return (
    `${packages(wheels)} from the package index (TensorFlow ${gpuPins.tensorflow} for CUDA and NVIDIA's libraries, under ` +
    `NVIDIA's licences): ${gb(sum(wheels, 'bytes'))} to download, ${gb(sum(wheels, 'diskBytes'))} in ${gpuDir()}`
  );
}

/** @throws SetupProblem when it cannot be set up on this machine */
function checkMachine() {
  if (!isGpuPlatform() || !process.report.getReport().header.glibcVersionRuntime) {
    throw new SetupProblem(
      `the GPU engine is made for Linux with glibc and an x86-64 processor; this is ${process.platform}-${process.arch}`,
      'use such a machine',
    );
  }
  if (!engineReady()) throw new SetupProblem('the native engine, which it extends, is not installed', AGAIN);
}

/** Downloads what is missing and tests the engine. @returns whether anything was changed */
async function provide() {
  const missing = gpuPins.wheels.filter((pin) => !isComplete(pin));
  if (missing.length === 0 && gpuReady()) return false;
  rmSync(join(gpuDir(), 'gpu.json'), { force: true });
  if (missing.length > 0) {
    // pip copies the file that it has downloaded: the largest wheel exists twice for a moment
    const room = sum(missing, 'diskBytes') + 2 * Math.max(...missing.map(({ bytes }) => bytes));
    checkSpace(cacheDir(), room, 'the GPU engine', gpuSetupCommand);
    await fetchAll(missing);
  }
  await smokeTest();
  const facts = { tensorflow: gpuPins.tensorflow, node: process.version, date: new Date() };
  writeFileSync(join(gpuDir(), 'gpu.json.new'), `${JSON.stringify(facts, null, 2)}\n`);
  renameSync(join(gpuDir(), 'gpu.json.new'), join(gpuDir(), 'gpu.json'));
  return true;
}

async function fetchAll(wheels) {
  const total = sum(wheels, 'bytes');
  const bar = progress(`Downloading and unpacking ${packages(wheels)} (${gb(total)})`);
  let before = 0;
  bar(0);
  for (const pin of wheels) {
    const scratch = temporaryFolder(cacheDir());
    const wheel = join(scratch, pin.file);
    const onBytes = (done) => bar(Math.min(0.99, (before + done) / total));
    await downloadWheel(pin, wheel, { again: AGAIN, cache: false, onBytes });
    const wrong = await wheelDefect(wheel, pin);
    if (wrong) {
      throw new SetupProblem(
        `the downloaded ${pin.file} is not the file that was expected (${wrong})`,
        `${AGAIN}; if that does not help, the package index in use serves another file`,
      );
    }
    await unpack(wheel, pin, scratch);
    rmSync(scratch, { recursive: true, force: true });
    before += pin.bytes;
  }
  bar(1);
}

/** Folder of a wheel's files below gpuDir: 'tensorflow' or 'nvidia/cudnn'. */
function folderOf({ libraries, files = [] }) {
  const [first, second] = [...libraries, ...files][0].split('/');
  return first === 'nvidia' ? join(first, second) : first;
}

async function unpack(wheel, pin, scratch) {
  const entries = readDirectory(wheel);
  const names = [...pin.libraries, ...(pin.files ?? [])];
  const target = join(scratch, 'unpacked');
  for (const name of names) {
    const entry = entries.get(name);
    if (!entry) throw new SetupProblem(`${pin.file} has no ${name}`, 'report this');
    await extract(wheel, entry, join(target, name));
    chmodSync(join(target, name), 0o755); // ptxas is a program
    if (name.startsWith('tensorflow/')) await strip(join(target, name));
  }
  const folder = folderOf(pin);
  const licence = [...entries.keys()].find((name) => LICENCE.test(name));
  if (licence) await extract(wheel, entries.get(licence), join(target, folder, 'LICENSE.txt'));
  const files = Object.fromEntries(names.map((name) => [name, statSync(join(target, name)).size]));
  writeFileSync(join(target, folder, MANIFEST), JSON.stringify({ sha256: pin.sha256, files }));
  const place = join(gpuDir(), folder);
  mkdirSync(dirname(place), { recursive: true });
  rmSync(place, { recursive: true, force: true });
  renameSync(join(target, folder), place);
}

/** Removes debug symbols, a fifth of the size of TensorFlow's libraries. */
async function strip(file) {
  const program = findProgram('strip');
  if (program) await run(program, ['--strip-unneeded', file]);
}

/** Whether all files of a wheel are in place, by name and size. */
function isComplete(pin) {
  try {
    const { sha256, files } = JSON.parse(readFileSync(join(gpuDir(), folderOf(pin), MANIFEST), 'utf8'));
    return (
      sha256 === pin.sha256 &&
      [...pin.libraries, ...(pin.files ?? [])].every((name) => statSync(join(gpuDir(), name)).size === files[name])
    );
  } catch {
    return false;
  }
}

/** Loads all libraries and computes on the CPU, in a separate process. */
async function smokeTest() {
  const script = fileURLToPath(new URL('./smoke-gpu.mjs', import.meta.url));
  const { code, output } = await run(process.execPath, [script]);
  if (code === 0) return;
  throw new SetupProblem(
    `the GPU engine does not work here: ${code === null ? 'its process was killed' : lastLine(output)}`,
    'report this together with the output of "yolo checks gpu"',
  );
}
