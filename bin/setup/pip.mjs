/**
 * Downloads wheels with pip, which uses the user's settings for index, proxy and certificates. Python is used for the
 * download only.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from './lock.mjs';
import { cacheDir } from './paths.mjs';
import { findProgram, lastLine, run, SetupProblem, say } from './process.mjs';
import { sha256 } from './wheel.mjs';

/** Interval of progress updates. */
const LOOK_MS = 500;

/**
 * Downloads a wheel of the package index to `target`, which exists only when the download is complete.
 * @param {{ package: string, version: string, file: string, bytes: number }} pin
 * @param {{ again: string, cache?: boolean, onBytes?: (done: number) => void }} options again: the remedy after a failure,
 *   as the end of a sentence; cache: whether pip keeps a copy in its cache
 * @throws SetupProblem
 */
export async function downloadWheel(pin, target, { again, cache = true, onBytes = () => {} }) {
  const pip = await findPip(again);
  const folder = temporaryFolder(cacheDir());
  const options = cache ? [] : ['--no-cache-dir'];
  const timer = setInterval(() => onBytes(Math.min(pin.bytes, folderBytes(folder))), LOOK_MS);
  const { code, output } = await run(
    pip[0],
    [...pip.slice(1), 'download', ...options, ...downloadArguments(pin, folder)],
    {
      env: { TMPDIR: folder, PIP_DISABLE_PIP_VERSION_CHECK: '1' },
    },
  );
  clearInterval(timer);
  if (code !== 0 || !existsSync(join(folder, pin.file))) {
    if (process.stderr.isTTY) say(''); // ends the line of the progress bar
    throw new SetupProblem(
      `pip could not download ${pin.package} ${pin.version}: ${lastLine(output)}`,
      `when the network is available, ${again}`,
    );
  }
  onBytes(pin.bytes);
  mkdirSync(dirname(target), { recursive: true });
  renameSync(join(folder, pin.file), target);
  rmSync(folder, { recursive: true, force: true });
}

/** Selects the wheel by the tags in its file name, independent of the installed Python: its libraries do not use Python. */
function downloadArguments({ package: name, version, file }, folder) {
  const [platform] = file.slice(0, -'.whl'.length).split('-').at(-1).split('.').slice(-1);
  const python = /-cp(\d+)-/.exec(file)?.[1] ?? '311';
  return [
    ...['-q', '--no-deps', '--only-binary=:all:', '--implementation', 'cp'],
    ...[
      '--python-version',
      python,
      '--abi',
      `cp${python}`,
      '--platform',
      platform,
      '-d',
      folder,
      `${name}==${version}`,
    ],
  ];
}

/** @returns the command that runs pip @throws SetupProblem when there is none */
async function findPip(again) {
  for (const [name, ...args] of [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']]) {
    const program = findProgram(name);
    if (program && (await run(program, [...args, '--version'])).code === 0) return [program, ...args];
  }
  throw new SetupProblem(
    'pip, which downloads TensorFlow, was not found',
    `install it (Debian, Ubuntu: apt-get install python3-pip), then ${again}`,
  );
}

/**
 * Checks a downloaded wheel against its pin.
 * @returns the difference, or undefined when it matches
 */
export async function wheelDefect(wheel, pin) {
  const { size } = statSync(wheel);
  if (size !== pin.bytes) return `${size} bytes instead of ${pin.bytes}`;
  const hash = await sha256(wheel);
  return hash === pin.sha256 ? undefined : `SHA-256 ${hash.slice(0, 12)}… instead of ${pin.sha256.slice(0, 12)}…`;
}

/** Size of all files under a folder, which may change meanwhile. */
function folderBytes(folder) {
  let bytes = 0;
  try {
    for (const name of readdirSync(folder, { recursive: true })) {
      const stat = statSync(join(folder, name), { throwIfNoEntry: false });
      if (stat?.isFile()) bytes += stat.size;
    }
  } catch {
    // a file was moved meanwhile
  }
  return bytes;
}
