/** Runs of an exported model whose batch size is fixed: more images go in several runs, fewer are filled up with black. */
import type { InferOutput } from '../detector.js';

type Shape = [batch: number, height: number, width: number];

/**
 * @param images [B, H, W, 3] RGB 0..255
 * @param step batch size of the model; undefined: any
 * @param run takes as many images as its shape says, or fewer in the last run (the rest is to be black)
 */
export async function inSteps(
  images: Uint8Array,
  [b, h, w]: Shape,
  step: number | undefined,
  run: (images: Uint8Array, shape: Shape) => Promise<InferOutput>,
): Promise<InferOutput> {
  const size = h * w * 3;
  if (images.length !== b * size)
    throw new Error(`expected ${b * size} bytes for ${b} x ${h} x ${w}, got ${images.length}`);
  const parts: InferOutput[] = [];
  const n = step ?? b;
  for (let at = 0; at < b; at += n) parts.push(await run(images.subarray(at * size, (at + n) * size), [n, h, w]));
  return parts.length === 1 && parts[0].shape[0] === b ? parts[0] : joined(parts, b);
}

/** The parts one after the other, as far as the first `b` images. */
function joined(parts: InferOutput[], b: number): InferOutput {
  const [, rows, columns] = parts[0].shape;
  const data = new Float32Array(b * rows * columns);
  let at = 0;
  for (const part of parts) {
    const piece = part.data.subarray(0, data.length - at);
    data.set(piece, at);
    at += piece.length;
  }
  return { data, shape: [b, rows, columns] };
}
