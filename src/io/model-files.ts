/**
 * Finding model files and downloading released ones. `yolov8n.pt` is looked for as a path, then in the per-user cache, then
 * downloaded into that cache. The same applies to URLs.
 *
 * The released weights are ultralytics' work under the AGPL-3.0. They are not part of this project; a message says so when
 * they are downloaded.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { cacheDir } from '../core/cache-dir.js';
import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import { progress } from '../core/progress.js';
import { type DownloadOptions, download, isUrl } from './fetch.js';

const RELEASE = 'https://github.com/ultralytics/assets/releases/download/v8.3.0';

/**
 * The released files. Where no hash is known, only the size is checked, and the structure when the file is read.
 */
const RELEASED: Record<string, { sha256?: string; megabytes: [min: number, max: number] }> = {
  'yolov8n.pt': { sha256: 'f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36', megabytes: [6, 7] },
  'yolov8s.pt': { megabytes: [20, 25] },
  'yolov8m.pt': { megabytes: [48, 56] },
  'yolov8l.pt': { megabytes: [80, 92] },
  'yolov8x.pt': { megabytes: [128, 142] },
  'yolo11n.pt': { megabytes: [5, 6] },
  'yolo11s.pt': { megabytes: [17, 21] },
  'yolo11m.pt': { megabytes: [36, 43] },
  'yolo11l.pt': { megabytes: [45, 54] },
  'yolo11x.pt': { megabytes: [102, 118] },
};

/** Folder of downloaded weights, in the per-user cache. */
export function weightsDir(): string {
  return join(cacheDir(), 'weights');
}

/**
 * Finds a model file without downloading it.
 * @returns the path itself if it exists; for `best.pt` the best.safetensors beside it; the copy in the cache of a released
 *   model (`yolov8n` is `yolov8n.pt`) or of a URL; undefined if there is none of these
 */
export function findModelFile(name: string): string | undefined {
  if (existsSync(name)) return name;
  if (isUrl(name)) return ifExists(cachePath(name));
  const safetensors = name.replace(/\.pt$/i, '.safetensors');
  if (safetensors !== name && existsSync(safetensors)) {
    log.warnOnce(`there is no ${name}; using ${safetensors}`);
    return safetensors;
  }
  const released = releasedName(name);
  return released && ifExists(join(weightsDir(), released));
}

/** File name of a released model; `yolov8n` without an extension counts if no file or folder has that name. */
function releasedName(name: string): string | undefined {
  if (isReleased(name)) return name;
  return !existsSync(name) && isReleased(`${name}.pt`) ? `${name}.pt` : undefined;
}

/** Path in the cache of the model at a URL; different URLs have different paths. */
function cachePath(url: string): string {
  const { pathname } = new URL(url);
  const name = basename(decodeURIComponentSafely(pathname)).replace(/[^\w.-]/g, '_') || 'model';
  return join(weightsDir(), createHash('sha256').update(url).digest('hex').slice(0, 12), name);
}

function decodeURIComponentSafely(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function ifExists(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}

function isReleased(name: string): boolean {
  return Object.hasOwn(RELEASED, name);
}

/**
 * Downloads a released model, or the one at a URL, to the cache.
 * @param model name of a released model, or a URL
 * @returns its path
 * @throws UserError 'missing-file' for a name that was not released, 'bad-url' for a URL that is not of a model file;
 *   otherwise as `download`, with a hint where to put the file
 */
export async function fetchModel(model: string, options: DownloadOptions & { base?: string } = {}): Promise<string> {
  if (isUrl(model)) return fetchFromUrl(model, options);
  const name = releasedName(model);
  if (!name) throw missing(model);
  const { sha256, megabytes } = RELEASED[name];
  const url = `${options.base ?? RELEASE}/${name}`;
  const path = join(weightsDir(), name);
  log.info(`fetching ${url} (weights by ultralytics, AGPL-3.0: https://ultralytics.com/license)`);
  try {
    const got = await progress.track({ label: `Fetching ${name}`, unit: 'bytes' }, (update) =>
      download(url, path, { onProgress: update, ...options, sha256, maxBytes: megabytes[1] * 2 ** 20 }),
    );
    if (got.bytes < megabytes[0] * 2 ** 20)
      log.warn(`${path} has ${got.bytes} bytes, fewer than expected; it will be checked when it is read`);
    const checked = sha256 ? 'its hash is correct' : 'no hash is known for it; its size is as expected';
    log.info(`saved as ${path}, ${(got.bytes / 2 ** 20).toFixed(1)} MB; ${checked}`);
    return path;
  } catch (error) {
    if (!(error instanceof UserError) || error.code === 'cannot-write') throw error;
    throw new UserError(
      error.code,
      `'${name}' was not found and could not be downloaded: ${error.message}`,
      `put the file into this folder or into ${weightsDir()}, or give its path: model=/path/to/${name}`,
      1,
    );
  }
}

/** Extensions of the formats that consist of one file. */
const SINGLE_FILES = ['.pt', '.safetensors', '.onnx'];

async function fetchFromUrl(url: string, options: DownloadOptions): Promise<string> {
  const path = cachePath(url);
  if (!SINGLE_FILES.includes(extname(path).toLowerCase()))
    throw new UserError(
      'bad-url',
      `model=${url} does not end in ${SINGLE_FILES.join(', ')}`,
      'give the address of the file itself',
    );
  log.info(`fetching ${url}`);
  const { bytes } = await progress.track({ label: `Fetching ${basename(path)}`, unit: 'bytes' }, (update) =>
    download(url, path, { onProgress: update, ...options }),
  );
  log.info(`saved as ${path}, ${(bytes / 2 ** 20).toFixed(1)} MB`);
  return path;
}

function missing(name: string): UserError {
  const where = resolve(name);
  if (isReleased(basename(name)))
    return new UserError(
      'missing-file',
      `there is no file ${where}`,
      `model=${basename(name)} (without a folder) downloads the released one`,
    );
  return new UserError(
    'missing-file',
    `there is no model file '${name}' (looked for ${where})`,
    `check the path; released models are ${Object.keys(RELEASED).join(', ')}`,
  );
}
