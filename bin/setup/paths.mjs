/**
 * Paths and versions of the native engine, for the set-up, which runs before src is compiled, and for src/graph and
 * src/backend, which load the engine. Types: paths.d.mts.
 *
 * In the per-user cache, shared by every clone and installed copy of these versions:
 *   tensorflow-<version>-<platform>-h<…>/    lib/ and include/ of TensorFlow's wheel
 *   engine-tf<…>-tfjs<…>-<platform>-<digest>/  addons compiled against it, the JavaScript around them, engine.json (written last)
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

/** Sources of the addons: common code, TensorFlow sessions, custom ops, queries of the NVIDIA driver. */
const ADDON_FOLDERS = ['common', 'session', 'fused', 'cuda'].map((name) => join(root, 'native', name));

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

/** The per-user cache of this tool; YOLO_CACHE moves it. */
export function cacheDir() {
  if (process.env.YOLO_CACHE) return resolve(process.env.YOLO_CACHE);
  const local = process.platform === 'win32' ? process.env.LOCALAPPDATA : undefined;
  return join(process.env.XDG_CACHE_HOME || local || join(homedir(), '.cache'), 'yolov8-tfjs');
}

/** Full paths of TensorFlow's libraries, each after its dependencies. */
export function tensorflowLibraries() {
  return ['framework', 'cc'].map((name) => join(tensorflowDir(), 'lib', `libtensorflow_${name}.so.2`));
}

/** Version of the selection of headers in the wheel (HEADER in tensorflow.mjs): to be increased when it changes. */
const HEADERS = 2;

/** Folder of TensorFlow's libraries and headers. */
export function tensorflowDir() {
  return join(cacheDir(), `tensorflow-${pins.tensorflow}-${platform}-h${HEADERS}`);
}

let digest;

/** Digest of all sources of the addons; computed once, on first use. */
function sourcesDigest() {
  const hash = createHash('sha256').update(engineJson);
  for (const file of ADDON_FOLDERS.flatMap(filesIn)) hash.update(readFileSync(file));
  return hash.digest('hex').slice(0, 8);
}

/** Folder of the engine for this platform, these versions and these sources of the addons. */
export function engineDir() {
  digest ??= sourcesDigest();
  return join(cacheDir(), `engine-tf${pins.tensorflow}-tfjs${pins.tfjs}-${platform}-${digest}`);
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
