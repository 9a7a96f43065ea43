/**
 * Units of a list of sources: what is predicted in common batches, and therefore never divided between shards. The results
 * of an image may depend, in their last bits, on the images in the same batch.
 */
import type { Origin } from './source-list.js';

/**
 * A unit is at most `batch` consecutive images, one video, or all consecutive streams and cameras, which are read together.
 * Whether a URL or a GIF is a video is only known when it is opened: here they are images.
 * @returns the index of the first source of each unit, ascending
 */
export function unitStarts(origins: readonly Origin[], batch: number): number[] {
  const starts: number[] = [];
  let images = 0;
  origins.forEach((origin, i) => {
    const joins = isLive(origin) ? i > 0 && isLive(origins[i - 1]) : !isVideo(origin) && images > 0 && images < batch;
    images = isLive(origin) || isVideo(origin) ? 0 : joins ? images + 1 : 1;
    if (!joins) starts.push(i);
  });
  return starts;
}

/** Whether a source has no end: a stream or a camera. */
export function isLive({ kind }: Origin): boolean {
  return kind === 'stream' || kind === 'camera';
}

function isVideo({ kind }: Origin): boolean {
  return kind === 'video' || kind === 'piped';
}
