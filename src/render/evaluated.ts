/**
 * Draws labels and evaluated detections into an image: labels blue and dashed, true positives green, false positives red,
 * missed objects orange.
 */
import type { Box, RgbImage } from '../core/types.js';
import { compositeSvg } from '../image/codec.js';
import { canDraw, textWidth } from './glyphs.js';
import { rect, svg, text } from './svg.js';

/** A box is a label, or the outcome of its evaluation. */
export type Outcome = 'label' | 'true positive' | 'false positive' | 'false negative';

/** A label or an evaluated detection. */
export interface EvaluatedBox {
  outcome: Outcome;
  /** Pixels of the image. */
  box: Box;
  caption: string;
}

const COLORS: Record<Outcome, string> = {
  label: '#2f7df6',
  'true positive': '#12a150',
  'false positive': '#e5283c',
  'false negative': '#ff9500',
};

/** @returns a new image, with a legend in the lower left corner */
export async function drawEvaluated(image: RgbImage, boxes: readonly EvaluatedBox[]): Promise<RgbImage> {
  const { width, height } = image;
  const line = Math.max(2, Math.round(((width + height) / 2) * 0.004));
  const size = Math.max(11, Math.round(line * 5));
  const order: Outcome[] = ['label', 'true positive', 'false negative', 'false positive'];
  const sorted = order.flatMap((outcome) => boxes.filter((box) => box.outcome === outcome));
  const shapes = sorted.map(({ outcome, box: [x1, y1, x2, y2] }) =>
    rect(x1, y1, x2 - x1, y2 - y1, {
      fill: 'none',
      stroke: COLORS[outcome],
      strokeWidth: outcome === 'label' ? Math.max(1, line / 2) : line,
      ...(outcome === 'label' && { dash: [line * 3, line * 2] }),
    }),
  );
  const captions = sorted
    .filter(({ outcome }) => outcome !== 'label')
    .map(({ outcome, box, caption }) => {
      const shown = canDraw(caption) ? caption : caption.replace(/[^\x20-\x7e]/g, '?');
      const wide = textWidth(shown, size) + 6;
      const x = Math.max(0, Math.min(box[0], width - wide));
      // The caption of a false negative is below its box, so that it does not cover a false positive at the same position.
      const above = outcome === 'false negative' ? Math.min(box[3], height - size - 4) : Math.max(0, box[1] - size - 4);
      return tag(x, above, size, shown, COLORS[outcome]);
    });
  return compositeSvg(image, svg(width, height, [...shapes, ...captions, ...legend(width, height, size)]));
}

function tag(x: number, y: number, size: number, content: string, color: string): string {
  const back = rect(x, y, textWidth(content, size) + 6, size + 4, { fill: color });
  return back + text(x + 3, y + (size + 4) / 2, size, content, { fill: '#fff', baseline: 'middle', bold: true });
}

function legend(width: number, height: number, size: number): string[] {
  const small = Math.max(9, Math.min(size, Math.floor(width / 30)));
  let x = 2;
  return (Object.keys(COLORS) as Outcome[]).map((outcome) => {
    const shape = tag(x, height - small - 6, small, outcome, COLORS[outcome]);
    x += textWidth(outcome, small) + 8;
    return shape;
  });
}
