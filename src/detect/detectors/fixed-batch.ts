/**
 * Runs of a fixed batch size: more images are divided into several runs, fewer are padded with black. For exported models of
 * such a size, and with 1 for TensorFlow.js, in which an image alone takes less time than in a batch, and a batch of 16 images of
 * 640 pixels needs more memory than WebAssembly has.
 */
import type { InferOutput } from '../detector.js';

type Shape = [batch: number, height: number, width: number];

/**
 * @param images [B, H, W, 3] RGB 0..255
 * @param batch images of a run; undefined: all of them
 * @param run runs the model; `images` may have fewer images than the shape says, the rest must be padded with black
 * @returns outputs of all B images
 */
export async function runInBatches(
  images: Uint8Array,
  [b, h, w]: Shape,
  batch: number | undefined,
  run: (images: Uint8Array, shape: Shape) => Promise<InferOutput>,
): Promise<InferOutput> {
  const size = h * w * 3;
  if (images.length !== b * size)
    throw new Error(`expected ${b * size} bytes for ${b} x ${h} x ${w}, got ${images.length}`);
  const parts: InferOutput[] = [];
  const n = batch ?? b;
  for (let at = 0; at < b; at += n) parts.push(await run(images.subarray(at * size, (at + n) * size), [n, h, w]));
  return parts.length === 1 && parts[0].shape[0] === b ? parts[0] : joined(parts, b);
}

/** Concatenates the parts and keeps the first `b` images. */
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
