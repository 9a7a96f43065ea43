/**
 * `data=shapes`: a small synthetic dataset for trying out training without images. Syntax: `shapes` or
 * `shapes:size=320,count=400,classes=6,objects=5,scale=1,difficulty=0.3,val=0.2,seed=0`. It is generated once and stored
 * in the per-user cache; equal settings give equal images.
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir } from '../core/cache-dir.js';
import { messageOf, UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import { rng } from '../core/rng.js';
import { similar, similarText } from '../core/suggest.js';
import { encodeImage } from '../image/codec.js';
import { drawScene, KINDS, type SceneSettings } from './shapes-draw.js';

/** Settings of the dataset. */
export interface ShapesSettings extends SceneSettings {
  /** Number of images, including those for validation. */
  count: number;
  /** Fraction of the images for validation, 0..1. */
  val: number;
  seed: number;
}

/** Settings of `data=shapes` without a colon. */
export const SHAPES_DEFAULTS: ShapesSettings = {
  ...{ size: 320, count: 400, classes: 6, objects: 5, scale: 1, difficulty: 0.3, val: 0.2, seed: 0 },
};

/** To be increased when equal settings give other images. */
const VERSION = 1;
/** Minimum and maximum. */
const RANGES: Record<keyof ShapesSettings, [number, number]> = {
  size: [32, 4096],
  count: [2, 100_000],
  classes: [1, Object.keys(KINDS).length],
  objects: [1, 100],
  scale: [0.01, 1],
  difficulty: [0, 1],
  val: [0.01, 0.9],
  seed: [0, 2 ** 31],
};
/** Settings that are not integers. */
const FRACTIONS = ['scale', 'difficulty', 'val'];
const JPEG_QUALITY = 92;

/** Whether a value of the option `data` means this dataset. */
export function isShapes(data: string): boolean {
  return data === 'shapes' || data.startsWith('shapes:');
}

/** @param data 'shapes' or 'shapes:key=value,…' @throws UserError 'bad-shapes' for an unknown key or an invalid value */
export function parseShapes(data: string): ShapesSettings {
  const settings = { ...SHAPES_DEFAULTS };
  const keys = Object.keys(RANGES);
  for (const part of data.slice('shapes:'.length).split(',').filter(Boolean)) {
    const [key, text = ''] = part.split('=').map((s) => s.trim());
    if (!keys.includes(key)) {
      throw new UserError(
        'bad-shapes',
        `data=${data}: '${key}' is not a setting of shapes${similarText(similar(key, keys))}`,
        `settings and defaults: ${Object.entries(SHAPES_DEFAULTS)
          .map(([k, v]) => `${k}=${v}`)
          .join(',')}`,
      );
    }
    const name = key as keyof ShapesSettings;
    const [low, high] = RANGES[name];
    const value = Number(text);
    const whole = FRACTIONS.includes(key) || Number.isInteger(value);
    if (text === '' || !whole || !(value >= low && value <= high)) {
      const kind = FRACTIONS.includes(key) ? 'number' : 'whole number';
      throw new UserError('bad-shapes', `data=${data}: ${key} must be a ${kind} from ${low} to ${high}, got '${text}'`);
    }
    settings[name] = value;
  }
  return settings;
}

/**
 * Generates the dataset unless it exists.
 * @returns the path of its data.yaml
 * @throws UserError 'bad-shapes' as parseShapes, 'cannot-write'
 */
export async function makeShapes(data: string): Promise<string> {
  const settings = parseShapes(data);
  const name = Object.entries(settings).map(([key, value]) => `${key}${value}`);
  const folder = join(cacheDir(), 'datasets', `shapes-v${VERSION}-${name.join('-')}`);
  const yaml = join(folder, 'data.yaml');
  if (existsSync(yaml)) return yaml;
  log.info(`shapes: generating ${settings.count} images in ${folder}`);
  // Written under a temporary name and renamed, so that the dataset is complete even with several processes.
  const temporary = `${folder}.${process.pid}.part`;
  try {
    await writeDataset(settings, temporary);
    if (!existsSync(yaml)) rmSync(folder, { recursive: true, force: true });
    renameSync(temporary, folder);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (existsSync(yaml)) return yaml;
    throw new UserError('cannot-write', `cannot write the dataset in ${folder}: ${messageOf(error)}`, undefined, 1);
  }
  return yaml;
}

async function writeDataset(settings: ShapesSettings, folder: string): Promise<void> {
  const forVal = Math.min(settings.count - 1, Math.max(1, Math.round(settings.count * settings.val)));
  for (const split of ['train', 'val']) {
    mkdirSync(join(folder, 'images', split), { recursive: true });
    mkdirSync(join(folder, 'labels', split), { recursive: true });
  }
  for (let i = 0; i < settings.count; i++) {
    const split = i < settings.count - forVal ? 'train' : 'val';
    const name = String(i).padStart(6, '0');
    const { image, labels } = drawScene(settings, rng(settings.seed, i));
    const rows = labels.map(([id, ...box]) => `${id} ${box.map((v) => v.toFixed(6)).join(' ')}\n`);
    writeFileSync(join(folder, 'labels', split, `${name}.txt`), rows.join(''));
    writeFileSync(join(folder, 'images', split, `${name}.jpg`), await encodeImage(image, 'jpg', JPEG_QUALITY));
  }
  const names = Object.keys(KINDS).slice(0, settings.classes);
  const lines = ['train: images/train', 'val: images/val', 'names:', ...names.map((kind, id) => `  ${id}: ${kind}`)];
  writeFileSync(join(folder, 'data.yaml'), `# Made by data=shapes; safe to delete.\npath: .\n${lines.join('\n')}\n`);
}
