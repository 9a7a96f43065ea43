/** `yolo predict`: one line per image on standard output (an object with json=true), the rest on standard error. */
import type { PredictConfig } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { PredictResult } from '../../core/types.js';
import type { PredictObserver, PredictRunOptions, PredictSummary, ResultPlace } from '../../engine/predict/observer.js';
import { showBanner } from '../banner.js';
import { countNames } from '../format.js';
import { stopCleanly } from '../interrupt.js';
import { print, printJson } from '../terminal.js';
import { exampleOf } from '../words.js';

/** @returns 1 when some images could not be read */
export async function run(config: PredictConfig): Promise<number> {
  const { predict } = await import('../../engine/predict/predictor.js');
  return printResults(config, (options) => predict(config, options));
}

/** Prints what a prediction, or tracking, yields. @returns 1 when some images could not be read */
export async function printResults(
  { mode, source, json, verbose }: PredictConfig,
  start: (options: PredictRunOptions) => AsyncGenerator<PredictResult, PredictSummary>,
): Promise<number> {
  if (source === null) {
    throw new UserError('missing-source', `'source' is missing: what should be ${mode}ed?`, exampleOf(mode));
  }
  const stop = new AbortController();
  const lines = new ResultLines();
  const display: PredictObserver = {
    onStart({ engine }) {
      showBanner(engine);
      stopCleanly(stop, 'stopping after this image');
    },
    onResult(result, place) {
      if (json) printJson(result);
      else if (verbose) for (const line of lines.of(result, place)) print(line);
    },
  };
  const results = start({ signal: stop.signal, observers: [display], alone: true });
  for (;;) {
    const { done, value } = await results.next();
    if (done) return sumUp(value);
  }
}

/** Lines of results; a folder is named once, before its first file. */
export class ResultLines {
  private folder = '';

  of(result: PredictResult, place: ResultPlace | undefined): string[] {
    const { path } = result;
    if (place?.kind === 'stream' || (place?.sources === 1 && place.kind === 'image'))
      return [resultLine(result, path, place)];
    const end = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1;
    const folder = path.slice(0, end);
    const heading = folder && folder !== this.folder ? [`In ${folder}`] : [];
    this.folder = folder;
    return [...heading, resultLine(result, path.slice(end) || path, place)];
  }
}

/** `image 1/2 bus.jpg: 640x480 4 persons, 1 bus, 36.4ms` */
function resultLine(result: PredictResult, name: string, place: ResultPlace | undefined): string {
  const { frame, detections, speed } = result;
  const counts = place ? `${place.kind === 'image' ? 'image' : 'video'} ${place.source}/${place.sources} ` : '';
  const frames = frame === undefined ? '' : `(frame ${frame}${place?.frames ? `/${place.frames}` : ''}) `;
  const shape = place ? `${place.inputShape.join('x')} ` : '';
  return `${counts}${frames}${name}: ${shape}${countNames(detections)}, ${speed.inference.toFixed(1)}ms`;
}

/** Prints what a prediction came to. @returns 1 when some images could not be read */
export function sumUp({ images, failed, saveDir, labels, speed, inputShape }: PredictSummary): number {
  if (images > 0) {
    const { preprocess, inference, postprocess } = speed;
    const shape = inputShape ? ` at ${inputShape.join('x')}` : '';
    const [pre, inf, post] = [preprocess, inference, postprocess].map((ms) => `${ms.toFixed(1)}ms`);
    log.info(`Speed: ${pre} preprocess, ${inf} inference, ${post} postprocess per image${shape}`);
  }
  if (saveDir !== undefined) log.info(`Results saved to ${saveDir}${labels > 0 ? ` (${labels} label files)` : ''}`);
  if (failed.length === 0) return 0;
  log.error(`${failed.length} of ${images + failed.length} images could not be read:`);
  for (const { path } of failed) log.error(`  ${path}`);
  return 1;
}
