/**
 * Paths and versions of the native engine, for the set-up, which runs before src is compiled, and for src/graph and
 * src/backend, which load the engine. Types: paths.d.mts.
 *
 * In the per-user cache, shared by every clone and installed copy of these versions:
 *   tensorflow-<version>-<platform>-h<…>/    lib/ and include/ of TensorFlow's wheel
 *   engine-tf<…>-tfjs<…>-<platform>-<digest>/  addons for it, the JavaScript around them, engine.json (written last)
 * In the packed tarball: prebuilt/<platform>/, addons that `npm run prebuild` has compiled.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder of this package: a clone, or wherever npm put it. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

const engineJson = readFileSync(join(root, 'native/engine.json'), 'utf8');

/** Versions and hashes of the engine's components. */
export const pins = JSON.parse(engineJson);

/** Sources: common code; the addons (TensorFlow sessions, custom ops, queries of the NVIDIA driver); Windows' Python library. */
const ADDON_FOLDERS = ['common', 'session', 'fused', 'cuda', 'windows'].map((name) => join(root, 'native', name));

/** C++ files of the addon 'session', 'fused' or 'cuda', including the common ones. */
export function addonSources(name) {
  const folders = ADDON_FOLDERS.filter((folder) => [name, 'common'].includes(basename(folder)));
  return folders.flatMap(filesIn).filter((file) => file.endsWith('.cc'));
}

function filesIn(folder) {
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
}

/** Whether this is a clone, which has sources to compile, or an installed package. */
export const isClone = existsSync(join(root, 'tsconfig.json'));

/** The command that sets up the engine. */
export const setupCommand = isClone ? 'npm run setup' : 'yolo setup';

const platform = `${process.platform}-${process.arch}`;

/** The pinned wheel for this platform; undefined for unsupported platforms. */
export function wheelPin() {
  return pins.wheels[platform];
}

/** The per-user cache of this tool, in the place that the system provides for caches; YOLO_CACHE moves it. */
export function cacheDir() {
  if (process.env.YOLO_CACHE) return resolve(process.env.YOLO_CACHE);
  return join(process.env.XDG_CACHE_HOME || systemCacheDir(), 'yolov8-tfjs');
}

function systemCacheDir() {
  if (process.platform === 'win32') return process.env.LOCALAPPDATA || join(homedir(), 'AppData', 'Local');
  return process.platform === 'darwin' ? join(homedir(), 'Library', 'Caches') : join(homedir(), '.cache');
}

/**
 * Full paths of TensorFlow's libraries, each after its dependencies. On Windows the first is the substitute for Python's
 * library (native/windows), in the engine's folder.
 */
export function tensorflowLibraries(engine = engineDir()) {
  const { libraries, python } = wheelPin() ?? { libraries: [] };
  const own = libraries.map((name) => join(tensorflowDir(), 'lib', basename(name)));
  return python ? [join(engine, python), ...own] : own;
}

/** Compiled addons for this platform that belong to these sources; undefined when there are none. */
export function prebuiltDir(of = platform) {
  const folder = join(root, 'prebuilt');
  try {
    if (readFileSync(join(folder, 'sources.txt'), 'utf8').trim() !== sourcesDigest()) return undefined;
  } catch {
    return undefined;
  }
  return existsSync(join(folder, of, 'session.node')) ? join(folder, of) : undefined;
}

/** Version of the selection of headers in the wheel (HEADER in tensorflow.mjs): to be increased when it changes. */
const HEADERS = 2;

/** Folder of TensorFlow's libraries and headers. */
export function tensorflowDir() {
  return join(cacheDir(), `tensorflow-${pins.tensorflow}-${platform}-h${HEADERS}`);
}

let digest;

/** Digest of all sources of the addons; computed once, on first use. */
export function sourcesDigest() {
  if (digest) return digest;
  const hash = createHash('sha256').update(engineJson);
  for (const file of ADDON_FOLDERS.flatMap(filesIn)) hash.update(readFileSync(file));
  digest = hash.digest('hex').slice(0, 8);
  return digest;
}

/** Folder of the engine for this platform, these versions and these sources of the addons. */
export function engineDir() {
  return join(cacheDir(), `engine-tf${pins.tensorflow}-tfjs${pins.tfjs}-${platform}-${sourcesDigest()}`);
}

/** Whether the set-up has been completed. */
export function engineReady() {
  return existsSync(join(engineDir(), 'engine.json'));
}

/** File with the reason why the last set-up failed: { why, faster, at }. */
export function failureFile() {
  return `${engineDir()}.failed.json`;
}

/** Contents of failureFile, or undefined. */
export function lastFailure() {
  try {
    return JSON.parse(readFileSync(failureFile(), 'utf8'));
  } catch {
    return undefined;
  }
}
