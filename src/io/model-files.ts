/**
 * Where model files are, and fetching those that were released. `yolov8n.pt` is looked for as a path, then in the per-user
 * cache, then fetched into that cache: one copy serves every folder. The same for an address.
 *
 * The released weights are ultralytics' work under the AGPL-3.0; they are no part of this project, and whoever fetches them
 * is told so.
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
 * What is known of the released files. A hash is given only where a copy was at hand to compute it from; of the others
 * only the size is checked, and their structure when they are read.
 */
const RELEASED: Record<string, { sha256?: string; megabytes: [least: number, most: number] }> = {
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

/** Folder of fetched weights, in the per-user cache. */
export function weightsDir(): string {
  return join(cacheDir(), 'weights');
}

/**
 * The path itself; for `best.pt` of a run of this tool the best.safetensors beside it; the cache's copy of a released model
 * (`yolov8n` is `yolov8n.pt`) or of an address. Undefined when there is none of these.
 */
export function findModelFile(name: string): string | undefined {
  if (existsSync(name)) return name;
  if (isUrl(name)) return existsOr(placeOf(name));
  const beside = name.replace(/\.pt$/i, '.safetensors');
  if (beside !== name && existsSync(beside)) {
    log.warnOnce(`there is no ${name}; ${beside} is used`);
    return beside;
  }
  const released = releasedName(name);
  return released && existsOr(join(weightsDir(), released));
}

/** `yolov8n` as people write it, when there is no file or folder of that name. */
function releasedName(name: string): string | undefined {
  if (isReleased(name)) return name;
  return !existsSync(name) && isReleased(`${name}.pt`) ? `${name}.pt` : undefined;
}

/** Where in the cache the model of an address lies; addresses that differ do not share a place. */
function placeOf(url: string): string {
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

function existsOr(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}

function isReleased(name: string): boolean {
  return Object.hasOwn(RELEASED, name);
}

/**
 * Fetches a released model, or the one at an address, into the cache. @returns its path
 * @throws UserError 'missing-file' for a name that was never released, 'no-network' with where to put the file
 */
export async function fetchModel(asked: string, options: DownloadOptions & { base?: string } = {}): Promise<string> {
  if (isUrl(asked)) return fetchAddress(asked, options);
  const name = releasedName(asked);
  if (!name) throw missing(asked);
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
    const checked = sha256 ? 'its hash is right' : 'its hash is not known here, its size is as expected';
    log.info(`saved as ${path}, ${(got.bytes / 2 ** 20).toFixed(1)} MB; ${checked}`);
    return path;
  } catch (error) {
    if (!(error instanceof UserError) || error.code === 'cannot-write') throw error;
    throw new UserError(
      error.code,
      `'${name}' is not here, and it could not be fetched: ${error.message}`,
      `put the file into this folder or into ${weightsDir()}, or give its path: model=/path/to/${name}`,
      1,
    );
  }
}

/** Formats that are one file. */
const SINGLE_FILES = ['.pt', '.safetensors', '.onnx'];

async function fetchAddress(url: string, options: DownloadOptions): Promise<string> {
  const path = placeOf(url);
  const ending = extname(path).toLowerCase();
  if (!SINGLE_FILES.includes(ending))
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
      `model=${basename(name)} (without a folder) fetches the released one`,
    );
  return new UserError(
    'missing-file',
    `there is no model file '${name}' (looked for ${where})`,
    `check the path; released models are ${Object.keys(RELEASED).join(', ')}`,
  );
}
