/**
 * One image of a validation batch. The long side is first brought to imgsz, enlarging too, the other side rounded up;
 * then the image is letterboxed without enlarging (Ultralytics 8.4, LetterBox with scaleup=False).
 */
import { type LetterboxTransform, letterboxTransform, type Size, withLongSide } from '../core/boxes.js';
import { messageOf, UserError } from '../core/errors.js';
import { letterboxInto } from '../image/letterbox.js';
import { resize } from '../image/resize.js';
import { decodeAgain, isUnreadable } from './vanished.js';

export interface Slot {
  path: string;
  imgsz: number;
  /** Pixels of the network's input. */
  height: number;
  width: number;
  /** Byte where this image starts in the batch. */
  start: number;
}

/** What is wrong with an image. */
export interface Broken {
  /** Which image can't be used and why. */
  broken?: string;
  /** It is broken because it could not be read, whatever is in it. */
  unreadable?: boolean;
}

/** When it is broken, the slot of an image is grey. */
export interface Filled extends Broken {
  /** Milliseconds it took. */
  time: number;
}

/** Size after the first step, and where the image goes after the second. */
export function placeForValidation(
  source: Size,
  { imgsz, height, width }: Pick<Slot, 'imgsz' | 'height' | 'width'>,
): { size: Size; at: LetterboxTransform } {
  const size = withLongSide(source, imgsz);
  return { size, at: letterboxTransform(size, [height, width], { scaleUp: false }) };
}

/** Decodes and places an image. An image that ends too early is used as far as it goes. Never throws. */
export async function fillSlot(slot: Slot, batch: Uint8Array): Promise<Filled> {
  const start = performance.now();
  try {
    const image = await decodeAgain(slot.path, { acceptTruncated: true });
    const { size, at } = placeForValidation(image, slot);
    letterboxInto(resize(image, size.width, size.height), at, batch, slot.start);
    return { time: performance.now() - start };
  } catch (error) {
    return { time: performance.now() - start, ...whyBroken(slot.path, error) };
  }
}

/** What decoding an image failed for. */
export function whyBroken(path: string, error: unknown): Required<Broken> {
  // Errors that are known name the image.
  const broken = error instanceof UserError ? error.message : `${path}: ${messageOf(error)}`;
  return { broken, unreadable: isUnreadable(error) };
}

/** A slot of a batch that several threads write. */
export interface SharedSlot {
  slot: Slot;
  buffer: SharedArrayBuffer;
}

export function fillShared({ slot, buffer }: SharedSlot): Promise<Filled> {
  return fillSlot(slot, new Uint8Array(buffer));
}
