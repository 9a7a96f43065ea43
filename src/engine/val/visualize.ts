/** `visualize=true`: every image with its labels, true positives, false positives and missed labels in different colours. */
import { basename, extname, join } from 'node:path';
import { labelsToPx } from '../../core/boxes.js';
import type { Box } from '../../core/types.js';
import { decodeImage, encodeImage } from '../../image/codec.js';
import { writeFileAtomic } from '../../io/files.js';
import { aboveConfidence, CONFUSION_CONFIDENCE } from '../../metrics/confusion.js';
import { ERROR_KINDS, typeErrors } from '../../metrics/errors.js';
import { drawEvaluated, type EvaluatedBox } from '../../render/evaluated.js';
import type { EvaluatedImage } from './evaluate.js';

/** Writes visualize/<stem>.jpg. */
export async function writeEvaluatedImage(
  dir: string,
  evaluated: EvaluatedImage,
  names: readonly string[],
): Promise<void> {
  const image = await decodeImage(evaluated.image.path, { acceptTruncated: true });
  const drawn = await drawEvaluated(image, evaluatedBoxes(evaluated, names));
  const stem = basename(evaluated.image.path, extname(evaluated.image.path));
  writeFileAtomic(join(dir, 'visualize', `${stem}.jpg`), await encodeImage(drawn, 'jpg', 90));
}

/** Labels, and the detections over the confidence of the confusion matrix, evaluated at IoU 0.5. @returns boxes in pixels */
function evaluatedBoxes({ image, detections }: EvaluatedImage, names: readonly string[]): EvaluatedBox[] {
  const truth = labelsToPx(image.labels, image);
  const confident = aboveConfidence(detections, CONFUSION_CONFIDENCE);
  const typed = typeErrors(confident, truth);
  const boxes: EvaluatedBox[] = [];
  const hitLabels = new Set(typed.hit);
  for (let j = 0; j < truth.length / 5; j++) {
    const name = names[truth[5 * j]];
    const box = [...truth.subarray(5 * j + 1, 5 * j + 5)] as Box;
    boxes.push({ outcome: hitLabels.has(j) ? 'label' : 'false negative', box, caption: name });
  }
  typed.kind.forEach((kind, i) => {
    const row = confident.subarray(6 * i, 6 * i + 6);
    const caption = `${names[row[5]] ?? row[5]} ${row[4].toFixed(2)}`;
    boxes.push({
      outcome: kind < 0 ? 'true positive' : 'false positive',
      box: [...row.subarray(0, 4)] as Box,
      caption: kind < 0 ? caption : `${caption} ${ERROR_KINDS[kind]}`,
    });
  });
  return boxes;
}
