/**
 * Fetches wheels with Python's pip, which follows the user's own index, proxy and certificate settings. It only downloads:
 * nothing of Python runs afterwards.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { temporaryFolder } from './lock.mjs';
import { cacheDir } from './paths.mjs';
import { findProgram, lastLine, run, SetupProblem, say } from './process.mjs';
import { sha256 } from './wheel.mjs';

/** How often a download is looked at, to show how far it is. */
const LOOK_MS = 500;

/**
 * Puts a wheel of the package index at `target`; it is there only when all of it is.
 * @param {{ package: string, version: string, file: string, bytes: number }} pin
 * @param {{ again: string, cache?: boolean, onBytes?: (done: number) => void }} options again: what to do when it fails, as
 *   a sentence's end; cache: let pip keep a copy of its own
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
    if (process.stderr.isTTY) say(''); // below the line that shows how far it got
    throw new SetupProblem(
      `pip could not download ${pin.package} ${pin.version}: ${lastLine(output)}`,
      `when the network is there, ${again}`,
    );
  }
  onBytes(pin.bytes);
  mkdirSync(dirname(target), { recursive: true });
  renameSync(join(folder, pin.file), target);
  rmSync(folder, { recursive: true, force: true });
}

/** The tags in the file's name say which Python and system the wheel is for; its libraries have nothing of Python in them. */
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

/** The command that runs pip. @throws SetupProblem where there is none */
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
 * @returns what is wrong with it, or undefined
 */
export async function wheelDefect(wheel, pin) {
  const { size } = statSync(wheel);
  if (size !== pin.bytes) return `${size} bytes instead of ${pin.bytes}`;
  const hash = await sha256(wheel);
  return hash === pin.sha256 ? undefined : `SHA-256 ${hash.slice(0, 12)}… instead of ${pin.sha256.slice(0, 12)}…`;
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
