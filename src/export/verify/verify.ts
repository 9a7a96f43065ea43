/**
 * Verifies an export: it and the network that it came from are run on one image and their outputs compared. The export is run
 * first and disposed of before the original is loaded, so that never both are in memory.
 */

import { selectEngine } from '../../backend/select-engine.js';
import { nmsOptions } from '../../cfg/nms-options.js';
import { messageOf, UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { Detector, InferOutput } from '../../detect/detector.js';
import { createDetector } from '../../detect/detectors/network.js';
import type { ExportFormat, ExportJob } from '../formats.js';
import {
  compareFinal,
  compareRaw,
  confidenceFor,
  eightBitTolerance,
  FLOAT_TOLERANCE,
  HALF_TOLERANCE,
  type Tolerance,
  type Verification,
  within,
} from './compare.js';
export interface VerificationImage {
  /** [H, W, 3] RGB, letterboxed. */
  data: Uint8Array;
  /** For messages. */
  name: string;
}

/** One forward pass of the network itself. */
async function outputOfOriginal(
  { config, checkpoint, spec, names, imgsz }: ExportJob,
  image: VerificationImage,
): Promise<InferOutput> {
  await selectEngine({ device: config.device });
  const source = { spec, weights: checkpoint.weights, names };
  return outputOf(await createDetector(source, { where: config.model }), image, imgsz);
}

/** Errors that mean that the runtime is missing, not that the export is wrong. */
const CANNOT_RUN = new Set(['missing-package', 'broken-package', 'needs-native']);

/**
 * @returns null when there is nothing to run the export with
 * @throws UserError 'verification-failed' (exit code 1) when it says something else, or cannot be run
 */
export async function verifyExport(
  format: ExportFormat,
  target: string,
  job: ExportJob,
  image: VerificationImage,
): Promise<Verification | null> {
  const { config, imgsz } = job;
  const tolerance = config.int8 ? eightBitTolerance(imgsz) : config.half ? HALF_TOLERANCE : FLOAT_TOLERANCE;
  try {
    const exported = await outputOf(await format.open(target, config.device), image, imgsz);
    const original = await outputOfOriginal(job, image);
    const { verification, what } = config.nms
      ? await compareDetections(format, job, image, { original, exported }, tolerance)
      : { verification: compareRaw(original, exported), what: 'anchors' };
    const found = `boxes ${verification.boxes.toPrecision(2)} px, scores ${verification.scores.toPrecision(2)} at ${verification.compared} ${what} of ${image.name}`;
    if (!within(verification, tolerance)) throw disagrees(`the export does not agree with the original: ${found}`);
    if (verification.compared > 0) log.info(`Verified: largest difference ${found}`);
    else
      log.warn(
        `neither model detects anything in ${image.name}, even at low confidence: data=YOUR.yaml verifies with an image of yours`,
      );
    return verification;
  } catch (error) {
    if (error instanceof UserError && CANNOT_RUN.has(error.code)) {
      log.warn(`the export was not compared with the original: ${error.message} (${error.hint})`);
      return null;
    }
    throw error instanceof UserError ? error : disagrees(`the export cannot be run: ${messageOf(error)}`);
  }
}

/**
 * For a graph that outputs final detections. If it detects nothing in the image, the same graph is compared with a `conf` so
 * low that the anchors of highest confidence are detected.
 */
async function compareDetections(
  format: ExportFormat,
  job: ExportJob,
  image: VerificationImage,
  { original, exported }: Record<'original' | 'exported', InferOutput>,
  tolerance: Tolerance,
): Promise<{ verification: Verification; what: string }> {
  const { conf } = job.config;
  const compare = (output: InferOutput, conf: number): Verification =>
    compareFinal(original, output, { ...nmsOptions(job.config), conf }, tolerance);
  const verification = compare(exported, conf);
  const lower = confidenceFor(original);
  if (verification.compared > 0 || !within(verification, tolerance) || !format.withTwin || !(lower > 0 && lower < conf))
    return { verification, what: 'detections' };
  const output = await format.withTwin(job, lower, (detector) => outputOf(detector, image, job.imgsz));
  const what = `detections over ${lower.toPrecision(2)} (none is over conf=${conf})`;
  return { verification: compare(output, lower), what };
}

/** Runs a detector once and disposes of it. */
async function outputOf(
  detector: Detector,
  image: VerificationImage,
  imgsz: [height: number, width: number],
): Promise<InferOutput> {
  try {
    return await detector.infer(image.data, [1, ...imgsz]);
  } finally {
    detector.dispose();
  }
}

function disagrees(what: string): UserError {
  return new UserError(
    'verification-failed',
    `${what}; nothing was written`,
    'please report this, with the model if you can',
    1,
  );
}
