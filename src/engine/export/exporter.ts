/** `yolo export`: a checkpoint in another format, verified to give the same predictions. */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, resolve, sep } from 'node:path';
import { wasGiven } from '../../cfg/load.js';
import type { ExportConfig, Key } from '../../cfg/schema.js';
import { warnUnknownClasses } from '../../core/class-range.js';
import { UserError } from '../../core/errors.js';
import { checkSignals } from '../../core/interruption.js';
import { log } from '../../core/log.js';
import { version } from '../../core/version.js';
import { createDetector } from '../../detect/detectors/network.js';
import { type ExportFormat, type ExportJob, FORMATS, refuseUnused } from '../../export/formats.js';
import type { Verification } from '../../export/verify/compare.js';
import { verifyExport } from '../../export/verify/verify.js';
import { weightsDir } from '../../io/model-files.js';
import { warnNonFinite } from '../../nn/finite.js';
import { trainedWith } from '../../nn/trained.js';
import { openCheckpoint, resolveModelPath, specOf } from '../../nn/weights.js';
import { inputShape } from '../image-size.js';
import { sizeFor } from '../model-defaults.js';
import { type MapCost, mapCost } from './map-cost.js';
import { Stage } from './stage.js';
import { verificationImage } from './verification-image.js';

/** Images at a time while int8's mAP is measured. */
const COST_BATCH = 16;

/** What `json=true` prints. */
export interface ExportResult {
  format: string;
  /** Everything that was written; the model itself first. */
  files: string[];
  imgsz: [height: number, width: number];
  /** Null when the runtime of the format is not installed, so that nothing could be compared. */
  verification: Verification | null;
  /** With int8 and data: what the 8-bit weights cost. */
  cost?: MapCost;
}

/** What an export is given besides its configuration. */
export interface ExportRunOptions {
  /** Aborted: nothing is published, `Interrupted` is thrown. What is being written or computed is finished first. */
  signal?: AbortSignal;
}

/**
 * Writes the model in another format beside the file it came from (a released model from the cache: into the current
 * folder), when both give the same predictions on an image.
 * @throws UserError when the format or a setting can't be had; exit code 1 when the export does not agree (nothing is
 *   written then); Interrupted after `signal`
 */
export async function exportModel(config: ExportConfig, { signal }: ExportRunOptions = {}): Promise<ExportResult> {
  await checkSignals(signal);
  const format = FORMATS[config.format];
  refuseUnused(config, (key: Key) => wasGiven(config, key));
  const started = performance.now();
  const path = await resolveModelPath(config.model);
  const prepared = await prepare(path, config);
  const job = { ...prepared, stem: freeStem(format, prepared.stem, path) };
  const target = format.target(job.stem);
  log.info(`Export: ${path} → ${target}, ${job.imgsz.join('x')}, batch ${config.batch}${config.half ? ', half' : ''}`);
  const stage = new Stage(target);
  const staged = { ...job, stem: join(stage.folder, basename(job.stem)) };
  try {
    return await stage.within(async () => {
      // First of all: a dataset that isn't there is told before anything is written.
      const image = await verificationImage(config.data, config.split, job.imgsz);
      const written = await format.write(staged);
      log.info(
        `written ${((performance.now() - started) / 1000).toFixed(1)} s after the start, ${megabytes(written)} MB`,
      );
      await checkSignals(signal);
      const exported = format.target(staged.stem);
      const verification = await verifyExport(format, exported, staged, image);
      const cost =
        config.int8 && config.data && verification ? { cost: await costOf(format, exported, job, signal) } : {};
      await checkSignals(signal);
      const files = stage.publish(written, format.replaces);
      return { format: config.format, files, imgsz: job.imgsz, verification, ...cost };
    });
  } finally {
    stage.dispose();
    job.checkpoint.close();
  }
}

/**
 * Where no checkpoint is in the way: best.safetensors of a run, or the .pt that the weights once came from, are not for an
 * export to replace. An earlier export is.
 */
function freeStem(format: ExportFormat, stem: string, source: string): string {
  const path = format.target(stem);
  if (!format.isExport || !existsSync(path)) return stem;
  const free = realpathSync(path) !== realpathSync(source) && format.isExport(path);
  return free ? stem : freeStem(format, `${stem}_weights`, source);
}

async function costOf(
  format: ExportFormat,
  target: string,
  { config, checkpoint, imgsz }: ExportJob,
  signal: AbortSignal | undefined,
): Promise<MapCost> {
  const { data, split, model, device } = config;
  const open = {
    original: () => createDetector(checkpoint, { where: model }),
    exported: () => format.open(target, device),
  };
  return mapCost(open, { data: data!, split, imgsz, batch: COST_BATCH, signal });
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
  warnNonFinite(checkpoint.weights, config.model);
  const names = Array.from({ length: spec.nc }, (_, i) => checkpoint.names[i] ?? `class${i}`);
  warnUnknownClasses(config.classes, names, 'the model');
  const stride = Math.max(32, spec.stride);
  const imgsz = inputShape(sizeFor(config, { trained: trainedWith(checkpoint.trainArgs) }), stride);
  const isFetched = resolve(path).startsWith(resolve(weightsDir()) + sep);
  const folder = isFetched ? '.' : dirname(path);
  return {
    config,
    checkpoint,
    spec,
    names,
    imgsz,
    stem: join(folder, basename(path, extname(path))),
    version: version(),
  };
}

function megabytes(files: string[]): string {
  const sizes = files.map((file) => statSync(file)).filter((stat) => stat.isFile());
  return (sizes.reduce((sum, { size }) => sum + size, 0) / 1e6).toFixed(1);
}
