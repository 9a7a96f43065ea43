/**
 * One image of a validation batch: resized so that the long side is imgsz (up or down, the other side rounded up), then
 * letterboxed without upscaling (Ultralytics 8.4, BaseDataset.load_image and LetterBox with scaleup=False).
 */
import { type LetterboxTransform, letterboxTransform, type Size, withLongSide } from '../core/boxes.js';
import { messageOf, UserError } from '../core/errors.js';
import { letterboxInto } from '../image/letterbox.js';
import { resize } from '../image/resize.js';
import { decodeAgain, isUnreadable } from './vanished.js';

/** An image and its memory in a batch. */
export interface Slot {
  path: string;
  /** Long side after the first resize, pixels. */
  imgsz: number;
  /** Size of the network's input, pixels. */
  height: number;
  width: number;
  /** Offset of the image in the batch, bytes. */
  start: number;
}

/** The problem of an image that cannot be used; without properties for an image that can. */
export interface Broken {
  /** The reason, with the path. */
  broken?: string;
  /** True when the file could not be read, as opposed to decoded. */
  unreadable?: boolean;
}

/** Result of filling a slot; when the image is broken, its pixels are undefined. */
export interface Filled extends Broken {
  /** Milliseconds. */
  time: number;
}

/** @returns size after the first step, and the letterbox transform of the second */
export function placeForValidation(
  source: Size,
  { imgsz, height, width }: Pick<Slot, 'imgsz' | 'height' | 'width'>,
): { size: Size; at: LetterboxTransform } {
  const size = withLongSide(source, imgsz);
  return { size, at: letterboxTransform(size, [height, width], { scaleUp: false }) };
}

/** Decodes an image into its slot; the missing part of a truncated image is grey. Never throws. */
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

/** @returns the reason why decoding an image failed */
export function whyBroken(path: string, error: unknown): Required<Broken> {
  // The message of a UserError has the path.
  const broken = error instanceof UserError ? error.message : `${path}: ${messageOf(error)}`;
  return { broken, unreadable: isUnreadable(error) };
}

/** A slot, and the shared memory of its batch. */
export interface SharedSlot {
  slot: Slot;
  buffer: SharedArrayBuffer;
}

/** `fillSlot` for shared memory, the function of the worker threads. */
export function fillShared({ slot, buffer }: SharedSlot): Promise<Filled> {
  return fillSlot(slot, new Uint8Array(buffer));
}
