/** `yolo export`: a checkpoint in another format, and the proof that it still says the same. */
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { wasGiven } from '../cfg/load.js';
import type { ExportConfig, Key } from '../cfg/schema.js';
import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import { refuseFormat } from '../export/formats.js';
import { weightsDir } from '../io/model-files.js';
import { createDetector } from '../nn/infer.js';
import { openCheckpoint, resolveModelPath, specOf } from '../nn/weights.js';
import { type MapCost, mapCost } from './export-cost.js';
import { type ExportFormat, type ExportJob, FORMATS, refuseUnused } from './export-formats.js';
import type { Parity } from './parity.js';
import { parityPicture } from './parity-picture.js';
import { proveParity } from './prove-parity.js';

/** Pictures at a time while int8's mAP is measured. */
const COST_BATCH = 16;

/** What `json=true` prints. */
export interface ExportResult {
  format: string;
  /** Everything that was written; the model itself first. */
  files: string[];
  imgsz: [height: number, width: number];
  /** Null when the runtime of the format is not installed, so that nothing could be compared. */
  parity: Parity | null;
  /** With int8 and data: what the 8-bit weights cost. */
  cost?: MapCost;
}

/**
 * Writes the model in another format beside the file it came from (a released model from the cache: into the current
 * folder), and compares what both find in a picture.
 * @throws UserError when the format or a setting can't be had; exit code 1 when the export does not agree (its files are
 *   removed)
 */
export async function exportModel(config: ExportConfig): Promise<ExportResult> {
  const format = FORMATS[config.format] ?? refuseFormat(config.format, Object.keys(FORMATS));
  refuseUnused(config.format, format, config, (key: Key) => wasGiven(config, key));
  const started = performance.now();
  const path = await resolveModelPath(config.model);
  const job = await prepare(path, config);
  const target = format.target(job.stem);
  if (existsSync(target) && resolve(target) === resolve(path))
    throw new UserError(
      'same-file',
      `${path} is already in the format ${config.format}`,
      'give another model or another format',
    );
  log.info(`Export: ${path} → ${target}, ${job.imgsz.join('x')}, batch ${config.batch}${config.half ? ', half' : ''}`);
  try {
    // First of all: a dataset that isn't there is told before anything is written.
    const picture = await parityPicture(config.data, config.split, job.imgsz);
    const files = await format.write(job);
    log.info(`written ${((performance.now() - started) / 1000).toFixed(1)} s after the start, ${megabytes(files)} MB`);
    const parity = await removingOnFailure(files, () => proveParity(format, target, job, picture));
    const result = { format: config.format, files, imgsz: job.imgsz, parity };
    return config.int8 && config.data && parity ? { ...result, cost: await costOf(format, target, job) } : result;
  } finally {
    job.checkpoint.close();
  }
}

async function removingOnFailure<T>(files: string[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    removeFiles(files);
    throw error;
  }
}

async function costOf(
  format: ExportFormat,
  target: string,
  { config, checkpoint, imgsz }: ExportJob,
): Promise<MapCost> {
  const { data, split, model } = config;
  const open = {
    original: async () => createDetector(checkpoint, { where: model }),
    exported: () => format.open(target),
  };
  return mapCost(open, { data: data!, split, imgsz, batch: COST_BATCH });
}

async function prepare(path: string, config: ExportConfig): Promise<ExportJob> {
  if (/\.onnx$/i.test(path) || statSync(path).isDirectory())
    throw new UserError(
      'wrong-model',
      `${path} is an exported model already`,
      'export from the weights it came from (.pt or .safetensors)',
    );
  const checkpoint = await openCheckpoint(path);
  const spec = specOf(checkpoint, path);
  const names = Array.from({ length: spec.nc }, (_, i) => checkpoint.names[i] ?? `class${i}`);
  const stride = Math.max(32, spec.stride);
  const asked: [number, number] = typeof config.imgsz === 'number' ? [config.imgsz, config.imgsz] : config.imgsz;
  const imgsz = asked.map((n) => Math.ceil(n / stride) * stride) as [number, number];
  if (imgsz.join() !== asked.join())
    log.warn(`imgsz=${config.imgsz} is no multiple of ${stride}; ${imgsz.join('x')} is used`);
  const folder = dirname(resolve(path)) === resolve(weightsDir()) ? '.' : dirname(path);
  return {
    config,
    checkpoint,
    spec,
    names,
    imgsz,
    stem: join(folder, basename(path, extname(path))),
    version: packageVersion(),
  };
}

/** A folder goes when nothing else is in it: it may hold files of the user's. */
function removeFiles(files: string[]): void {
  const [model] = files;
  const isFolder = statSync(model, { throwIfNoEntry: false })?.isDirectory();
  for (const file of isFolder ? files.slice(1) : files) rmSync(file, { force: true });
  if (!isFolder) return;
  const folders = new Set([...files.slice(1).map((file) => dirname(file)), model]);
  for (const folder of [...folders].sort((a, b) => b.length - a.length))
    if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
}

function megabytes(files: string[]): string {
  const sizes = files.map((file) => statSync(file)).filter((stat) => stat.isFile());
  return (sizes.reduce((sum, { size }) => sum + size, 0) / 1e6).toFixed(1);
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
