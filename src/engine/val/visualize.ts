/** `visualize=true`: every image with its labels, true positives, false positives and missed labels in different colours. */
import { basename, extname, join } from 'node:path';
import { labelsToPx } from '../../core/boxes.js';
import type { Box } from '../../core/types.js';
import { decodeImage, encodeImage } from '../../image/codec.js';
import { writeFileAtomic } from '../../io/files.js';
import { aboveConfidence, CONFUSION_CONFIDENCE } from '../../metrics/confusion.js';
import { ERROR_KINDS, typeErrors } from '../../metrics/errors.js';
import { drawJudged, type JudgedBox } from '../../render/judged.js';
import type { EvaluatedImage } from './evaluate.js';

/** Writes visualize/<stem>.jpg. */
export async function writeJudgedImage(
  dir: string,
  evaluated: EvaluatedImage,
  names: readonly string[],
): Promise<void> {
  const image = await decodeImage(evaluated.image.path, { acceptTruncated: true });
  const drawn = await drawJudged(image, judgedBoxes(evaluated, names));
  const stem = basename(evaluated.image.path, extname(evaluated.image.path));
  writeFileAtomic(join(dir, 'visualize', `${stem}.jpg`), await encodeImage(drawn, 'jpg', 90));
}

/** Labels, and the detections over the confidence of the confusion matrix, judged at IoU 0.5. @returns boxes in pixels */
function judgedBoxes({ image, detections }: EvaluatedImage, names: readonly string[]): JudgedBox[] {
  const truth = labelsToPx(image.labels, image);
  const sure = aboveConfidence(detections, CONFUSION_CONFIDENCE);
  const typed = typeErrors(sure, truth);
  const boxes: JudgedBox[] = [];
  const hitLabels = new Set(typed.hit);
  for (let j = 0; j < truth.length / 5; j++) {
    const name = names[truth[5 * j]];
    const box = [...truth.subarray(5 * j + 1, 5 * j + 5)] as Box;
    boxes.push({ judgement: hitLabels.has(j) ? 'label' : 'miss', box, caption: name });
  }
  typed.kind.forEach((kind, i) => {
    const row = sure.subarray(6 * i, 6 * i + 6);
    const caption = `${names[row[5]] ?? row[5]} ${row[4].toFixed(2)}`;
    boxes.push({
      judgement: kind < 0 ? 'hit' : 'false positive',
      box: [...row.subarray(0, 4)] as Box,
      caption: kind < 0 ? caption : `${caption} ${ERROR_KINDS[kind]}`,
    });
  });
  return boxes;
}
