/** `yolo track`: as `yolo predict`, with the id of its track for every object. */
import type { TrackConfig } from '../../cfg/schema.js';
import { printResults } from './predict.js';

/** @returns 1 when some images could not be read */
export async function run(config: TrackConfig): Promise<number> {
  const { track } = await import('../../engine/track/track.js');
  return printResults(config, (options) => track(config, options));
}
