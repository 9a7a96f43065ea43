/**
 * Puts TensorFlow's libraries and C headers into the cache: the wheel that Python's users install, fetched by pip (which
 * follows the user's own index, proxy and certificate settings; nothing of Python runs afterwards), verified, unpacked.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './lock.mjs';
import { cacheDir, pins, setupCommand, tensorflowDir, wheelPin } from './paths.mjs';
import { findProgram, lastLine, progress, run, SetupProblem, say } from './process.mjs';
import { extract, readDirectory, sha256 } from './wheel.mjs';

const LIBRARY = /^tensorflow\/(libtensorflow_(?:cc|framework)\.so\.2)$/;
const HEADER = new RegExp(
  '^tensorflow/include/((?:tensorflow/c/(?:c_api|c_api_macros|tf_\\w+|ops|kernels|eager/c_api' +
    '|experimental/stream_executor/stream_executor)' +
    '|tensorflow/core/common_runtime/next_pluggable_device/c/tf_rendezvous_c_api' +
    '|tensorflow/core/platform/ctstring(?:_internal)?|tsl/platform/(?:ctstring(?:_internal)?|platform)' +
    '|xla/tsl/c/tsl_status)\\.h)$',
);

/**
 * Does nothing where it is done already.
 * @throws SetupProblem when it can't be done
 */
export async function provideTensorflow() {
  if (existsSync(tensorflowDir())) return;
  const pin = wheelPin();
  checkSpace(cacheDir(), pin.diskBytes);
  const wheel = process.env.YOLO_TF_WHEEL || join(cacheDir(), 'downloads', pin.file);
  if (!existsSync(wheel)) {
    if (process.env.YOLO_TF_WHEEL) throw new SetupProblem(`${wheel} (YOLO_TF_WHEEL) is not there`, `give ${pin.file}`);
    await download(pin, wheel);
  }
  await verifyWheel(wheel, pin);
  await unpack(wheel, tensorflowDir());
  rmSync(join(cacheDir(), 'downloads'), { recursive: true, force: true });
}

/** @throws SetupProblem when the disk has not that much room */
export function checkSpace(folder, bytes) {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  if (free >= bytes) return;
  const gb = (n) => (n / 1e9).toFixed(1);
  throw new SetupProblem(
    `setting up the native engine takes ${gb(bytes)} GB of disk for a while and ${folder} has ${gb(free)} GB free`,
    `make room, or point YOLO_CACHE at a larger disk, then run "${setupCommand}"`,
  );
}

/**
 * Checks a wheel against its pin; a wrong one in the download folder is removed, so that the next try fetches it anew.
 * @throws SetupProblem
 */
export async function verifyWheel(wheel, pin) {
  const bytes = statSync(wheel).size;
  const wrong = bytes !== pin.bytes ? `${bytes} bytes instead of ${pin.bytes}` : await wrongHash(wheel, pin);
  if (!wrong) return;
  if (!process.env.YOLO_TF_WHEEL) rmSync(wheel, { force: true });
  throw new SetupProblem(
    `the downloaded ${pin.file} is not the file that was expected (${wrong})`,
    `run "${setupCommand}" again; if that does not help, the package index in use serves another file`,
  );
}

async function wrongHash(wheel, pin) {
  const hash = await sha256(wheel);
  return hash === pin.sha256 ? undefined : `SHA-256 ${hash.slice(0, 12)}… instead of ${pin.sha256.slice(0, 12)}…`;
}

async function download(pin, target) {
  const pip = await findPip();
  const folder = temporaryFolder(cacheDir());
  const bar = progress(`Downloading TensorFlow ${pins.tensorflow} (${Math.round(pin.bytes / 1e6)} MB)`);
  bar(0);
  const timer = setInterval(() => bar(Math.min(0.99, folderBytes(folder) / pin.bytes)), 500);
  // The version of Python names the file to fetch; its libraries have nothing of that version in them.
  const python = /-cp(\d+)-/.exec(pin.file)[1];
  const { code, output } = await run(
    pip[0],
    [
      ...pip.slice(1),
      ...['download', '-q', '--no-deps', '--only-binary=:all:', '--implementation', 'cp', '--python-version', python],
      ...['--abi', `cp${python}`, '--platform', pin.platform, '-d', folder, `${pin.package}==${pins.tensorflow}`],
    ],
    { env: { TMPDIR: folder, PIP_DISABLE_PIP_VERSION_CHECK: '1' } },
  );
  clearInterval(timer);
  if (code !== 0 || !existsSync(join(folder, pin.file))) {
    if (process.stderr.isTTY) say('');
    throw new SetupProblem(
      `pip could not download ${pin.package} ${pins.tensorflow}: ${lastLine(output)}`,
      `when the network is there, run "${setupCommand}"; or fetch ${pin.file} elsewhere and name it in YOLO_TF_WHEEL`,
    );
  }
  bar(1);
  mkdirSync(join(cacheDir(), 'downloads'), { recursive: true });
  renameSync(join(folder, pin.file), target);
  rmSync(folder, { recursive: true, force: true });
}

/** The command that runs pip. @throws SetupProblem where there is none */
async function findPip() {
  for (const [name, ...args] of [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']]) {
    const program = findProgram(name);
    if (program && (await run(program, [...args, '--version'])).code === 0) return [program, ...args];
  }
  throw new SetupProblem(
    'pip, which downloads TensorFlow, was not found',
    `install it (Debian, Ubuntu: apt-get install python3-pip), then run "${setupCommand}"; or fetch ${wheelPin().file} elsewhere and name it in YOLO_TF_WHEEL`,
  );
}

/** Bytes of all files under a folder that others write into meanwhile. */
function folderBytes(folder) {
  let bytes = 0;
  try {
    for (const name of readdirSync(folder, { recursive: true })) {
      const stat = statSync(join(folder, name), { throwIfNoEntry: false });
      if (stat?.isFile()) bytes += stat.size;
    }
  } catch {
    // moved away between two looks
  }
  return bytes;
}

/** Takes libraries and headers out of the wheel, strips the libraries, and moves the finished folder to `target`. */
async function unpack(wheel, target) {
  const folder = temporaryFolder(cacheDir());
  const wanted = [];
  for (const [name, entry] of readDirectory(wheel)) {
    const [library, header] = [LIBRARY.exec(name)?.[1], HEADER.exec(name)?.[1]];
    if (library) wanted.push([join(folder, 'lib', library), entry]);
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
  const strip = findProgram('strip');
  if (strip) {
    for (const name of readdirSync(join(folder, 'lib')))
      await run(strip, ['--strip-unneeded', join(folder, 'lib', name)]);
  }
  renameSync(folder, target);
}
