/**
 * report.html of a run: filled in from what training or validation computes anyway, written as a whole each time. A report
 * that cannot be made is a warning, never the end of a run. Only loaded when plots are asked for.
 */
import { join } from 'node:path';
import { messageOf } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { Dataset } from '../../data/dataset.js';
import { examineOpen } from '../../data/doctor.js';
import { writeFileAtomic } from '../../io/files.js';
import type { DatasetData, ReportData } from '../../render/report/data.js';
import { renderReport } from '../../render/report/page.js';
import type { Evaluation } from '../val/evaluate.js';
import { mistakesByKind } from '../val/mistakes.js';
import { confusionData, curveData } from './figures.js';
import type { ImageCollector } from './images.js';

const REPORT = 'report.html';

/** Writes the page that `make` fills in. Never throws. */
export async function writeReport(dir: string, make: () => Promise<ReportData>): Promise<void> {
  try {
    writeFileAtomic(join(dir, REPORT), renderReport(await make()));
  } catch (error) {
    log.warnOnce(`${REPORT} was not written: ${messageOf(error)}`);
  }
}

/** What an evaluation gives to a report, but for the images. */
export function evaluationData(evaluation: Evaluation): Partial<ReportData> {
  const { classes, images, instances, precision, recall, mAP50, perImage } = evaluation;
  return {
    classes,
    all: { images, instances, precision, recall, mAP50, 'mAP50-95': evaluation['mAP50-95'] },
    curves: curveData(evaluation),
    confusion: confusionData(evaluation),
    mistakes: evaluation.costs && mistakesByKind(evaluation),
    mistaken: perImage.filter(({ errors }) => errors.length > 0).length,
  };
}

/** The same with the images that were collected; the cells of the confusion matrix know theirs. */
export async function evaluationWithImages(
  evaluation: Evaluation,
  collector: ImageCollector,
  names: readonly string[],
): Promise<Partial<ReportData>> {
  const data = evaluationData(evaluation);
  const images = data.confusion && (await collector.finish(evaluation, data.confusion, names));
  return { ...data, images };
}

/** What the doctor says of splits that are open. @param whole false: only a part of the training images is open */
export function datasetData(sets: Dataset[], imgsz: number, whole = true): DatasetData {
  const { data, ...rest } = examineOpen(sets, imgsz, whole);
  return { file: data, ...rest };
}
