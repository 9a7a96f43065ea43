/**
 * Provides TensorFlow's libraries and C headers in the cache: downloads its wheel with pip (pip.mjs), verifies and unpacks
 * it.
 */
import { existsSync, readdirSync, renameSync, rmSync, statfsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { temporaryFolder } from './lock.mjs';
import { cacheDir, pins, setupCommand, tensorflowDir, wheelPin } from './paths.mjs';
import { downloadWheel, wheelDefect } from './pip.mjs';
import { findProgram, progress, run, SetupProblem } from './process.mjs';
import { extract, readDirectory } from './wheel.mjs';

const HEADER = new RegExp(
  '^tensorflow/include/((?:tensorflow/c/(?:c_api|c_api_macros|tf_\\w+|ops|kernels|eager/c_api' +
    '|experimental/stream_executor/stream_executor)' +
    '|tensorflow/core/common_runtime/next_pluggable_device/c/tf_rendezvous_c_api' +
    '|tensorflow/core/platform/ctstring(?:_internal)?|tsl/platform/(?:ctstring(?:_internal)?|platform)' +
    '|xla/tsl/c/tsl_status)\\.h)$',
);

/**
 * Downloads and unpacks TensorFlow unless it is in the cache, complete.
 * @throws SetupProblem
 */
export async function provideTensorflow() {
  const pin = wheelPin();
  if (pin.libraries.every((name) => existsSync(join(tensorflowDir(), 'lib', basename(name))))) return;
  checkSpace(cacheDir(), pin.diskBytes);
  const wheel = process.env.YOLO_TF_WHEEL || join(cacheDir(), 'downloads', pin.file);
  if (!existsSync(wheel)) {
    if (process.env.YOLO_TF_WHEEL)
      throw new SetupProblem(`${wheel} (YOLO_TF_WHEEL) does not exist`, `give ${pin.file}`);
    await download(pin, wheel);
  }
  await verifyWheel(wheel, pin);
  await unpack(wheel, pin, tensorflowDir());
  rmSync(join(cacheDir(), 'downloads'), { recursive: true, force: true });
}

/**
 * @param {string} what takes the room, @param {string} again how to go on when there is room
 * @throws SetupProblem when the disk has not that much room
 */
export function checkSpace(folder, bytes, what = 'the native engine', again = setupCommand) {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= bytes) return;
  const gb = (n) => (n / 1e9).toFixed(1);
  throw new SetupProblem(
    `setting up ${what} takes ${gb(bytes)} GB of disk for a while and ${folder} has ${gb(free)} GB free`,
    `free some space, or set YOLO_CACHE to a folder on a larger disk, then run "${again}"`,
  );
}

/**
 * Verifies the wheel; a wrong one in the download folder is removed, so that the next try downloads it again.
 * @throws SetupProblem
 */
export async function verifyWheel(wheel, pin) {
  const wrong = await wheelDefect(wheel, pin);
  if (!wrong) return;
  if (!process.env.YOLO_TF_WHEEL) rmSync(wheel, { force: true });
  throw new SetupProblem(
    `the downloaded ${pin.file} is not the file that was expected (${wrong})`,
    `run "${setupCommand}" again; if that does not help, the package index in use serves another file`,
  );
}

async function download(pin, target) {
  const bar = progress(`Downloading TensorFlow ${pins.tensorflow} (${Math.round(pin.bytes / 1e6)} MB)`);
  bar(0);
  const again = `run "${setupCommand}"; or fetch ${pin.file} elsewhere and name it in YOLO_TF_WHEEL`;
  const onBytes = (done) => bar(done / pin.bytes);
  await downloadWheel({ ...pin, version: pins.tensorflow }, target, { again, onBytes });
}

/**
 * Extracts libraries and headers, and moves the complete folder to `target`. The libraries are stripped on Linux; on macOS
 * they are signed and on Windows they have no symbols.
 */
async function unpack(wheel, { libraries }, target) {
  const folder = temporaryFolder(cacheDir());
  const wanted = [];
  for (const [name, entry] of readDirectory(wheel)) {
    const header = HEADER.exec(name)?.[1];
    if (libraries.includes(name)) wanted.push([join(folder, 'lib', basename(name)), entry]);
    else if (header) wanted.push([join(folder, 'include', header), entry]);
  }
  const total = wanted.reduce((sum, [, entry]) => sum + entry.size, 0);
  const bar = progress('Unpacking');
  let done = 0;
  for (const [file, entry] of wanted) {
    await extract(wheel, entry, file, (bytes) => {
      done += bytes;
      bar(done / total);
    });
  }
  const strip = process.platform === 'linux' && findProgram('strip');
  if (strip) {
    for (const name of readdirSync(join(folder, 'lib')))
      await run(strip, ['--strip-unneeded', join(folder, 'lib', name)]);
  }
  rmSync(target, { recursive: true, force: true });
  renameSync(folder, target);
}
