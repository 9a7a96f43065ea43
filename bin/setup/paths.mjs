/**
 * Where the native engine lies, and what it is made of. One source for the set-up, which runs before anything is built,
 * and for src/nn/native.ts, which loads what the set-up made. Types: paths.d.mts.
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

/** Versions and hashes of what the engine is made of. */
export const pins = JSON.parse(engineJson);

/** Sources of our own addons: what they share, sessions of TensorFlow, TensorFlow ops, questions to NVIDIA's driver. */
const ADDON_FOLDERS = ['common', 'session', 'fused', 'cuda'].map((name) => join(root, 'native', name));

/** C++ files of the addon 'session', 'fused' or 'cuda', with what it shares. */
export function addonSources(name) {
  const folders = ADDON_FOLDERS.filter((folder) => [name, 'common'].includes(basename(folder)));
  return folders.flatMap(filesIn).filter((file) => file.endsWith('.cc'));
}

function filesIn(folder) {
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
}

/** A clone has sources to build; an installed package does not. */
export const isClone = existsSync(join(root, 'tsconfig.json'));

/** What the user types to set the engine up. */
export const setupCommand = isClone ? 'npm run setup' : 'yolo setup';

const platform = `${process.platform}-${process.arch}`;

/** The pinned wheel for this machine, or undefined where none was tried. */
export function wheelPin() {
  return pins.wheels[platform];
}

/** The per-user cache of this tool; YOLO_CACHE moves it. */
export function cacheDir() {
  if (process.env.YOLO_CACHE) return resolve(process.env.YOLO_CACHE);
  const local = process.platform === 'win32' ? process.env.LOCALAPPDATA : undefined;
  return join(process.env.XDG_CACHE_HOME || local || join(homedir(), '.cache'), 'yolov8-tfjs');
}

/** TensorFlow's libraries, each after those that it needs. */
export function tensorflowLibraries() {
  return ['framework', 'cc'].map((name) => join(tensorflowDir(), 'lib', `libtensorflow_${name}.so.2`));
}

/** Grows with the choice of headers that is taken out of the wheel. */
const HEADERS = 2;

/** Folder of TensorFlow's libraries and headers. */
export function tensorflowDir() {
  return join(cacheDir(), `tensorflow-${pins.tensorflow}-${platform}-h${HEADERS}`);
}

let digest;

/** Of everything that the addons are compiled from; read once, and only when somebody asks for the engine. */
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

/** True when the set-up has finished here once. */
export function engineReady() {
  return existsSync(join(engineDir(), 'engine.json'));
}

/** Says why the last set-up gave no native engine: { why, faster, at }. */
export function failureFile() {
  return `${engineDir()}.failed.json`;
}

/** What failureFile holds, or undefined. */
export function lastFailure() {
  try {
    return JSON.parse(readFileSync(failureFile(), 'utf8'));
  } catch {
    return undefined;
  }
}
