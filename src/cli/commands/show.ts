/** `yolo show`: the files that were drawn, and one line per label, on standard output; objects with json=true. */
import { log } from '../../core/log.js';
import type { ShowConfig, Shown } from '../../engine/show/show.js';
import { showBanner } from '../banner.js';
import { print, printJson } from '../terminal.js';

export async function run(config: ShowConfig): Promise<number> {
  showBanner();
  const { show } = await import('../../engine/show/show.js');
  const results = show(config);
  let none = 0;
  for (;;) {
    const { done, value } = await results.next();
    if (done) {
      if (none > 0) log.warn(`${none} labels have no anchor point assigned: the loss ignores them`);
      log.info(`Results saved to ${value.save_dir}`);
      return 0;
    }
    if ('labels' in value) none += value.labels.filter(({ anchors }) => anchors.every((n) => n === 0)).length;
    if (config.json) printJson(value);
    else for (const line of shownLines(value)) print(line);
  }
}

/** One line per batch; for an assignment one for the image and one for each of its labels. */
export function shownLines(shown: Shown): string[] {
  if (!('labels' in shown)) {
    const { file, epoch, shape, instances, mosaic } = shown;
    const what = `${shape[0]} images ${shape[1]}x${shape[2]}, ${instances} objects`;
    return [`${file}: epoch ${epoch}, ${what}${mosaic ? '' : ', without mosaic'}`];
  }
  const { file, path, labels, strides } = shown;
  const lines = labels.map(({ name, anchors, target }, i) => {
    const all = anchors.reduce((a, b) => a + b, 0);
    const levels = anchors.map((n, level) => `P${Math.log2(strides[level])} ${n}`).join(', ');
    const found = all
      ? `${all} ${all === 1 ? 'anchor' : 'anchors'} (${levels}), target score up to ${target.toFixed(2)}`
      : 'NO anchor';
    return `  ${String(i + 1).padStart(3)} ${name}: ${found}`;
  });
  return [`${path}: ${labels.length} labels → ${file}`, ...lines];
}
