/** Tracking: prediction with a tracker between detection and output. */
import type { TrackConfig } from '../../cfg/schema.js';
import { naturalOrder } from '../../core/natural-order.js';
import type { PredictRunOptions, PredictSummary } from '../predict/observer.js';
import { predict } from '../predict/predictor.js';
import { Sequences, type TrackResult } from './sequences.js';
import { readTracker } from './tracker-yaml.js';
import { ZonesCsv } from './zones-csv.js';
import { readZones } from './zones-yaml.js';

/** Arguments of tracking besides its configuration. */
export interface TrackRunOptions extends Omit<PredictRunOptions, 'step' | 'order'> {
  /** Continues the tracks of an earlier run. */
  sequences?: Sequences;
}

/**
 * Detects objects in all images and videos of `source` and tracks them from frame to frame.
 * @yields one result per image or frame, in order, with the objects that are tracked in it
 * @throws UserError as `predict`, and for settings of the tracker and zones; Interrupted after `signal`
 */
export async function* track(
  config: TrackConfig,
  options: TrackRunOptions = {},
): AsyncGenerator<TrackResult, PredictSummary> {
  const { step } = options.sequences ?? sequencesFor(config);
  const csv = config.zones === null ? [] : [new ZonesCsv()];
  const observers = [...csv, ...(options.observers ?? [])];
  const results = predict(config, { ...options, observers, step, order: naturalOrder });
  // The step makes a TrackResult of every result.
  return yield* results as AsyncGenerator<TrackResult, PredictSummary>;
}

/** @param persist continues the tracks of the previous source @throws UserError for settings of the tracker, and zones */
export function sequencesFor({ tracker, zones }: Pick<TrackConfig, 'tracker' | 'zones'>, persist = false): Sequences {
  return new Sequences(readTracker(tracker), zones === null ? [] : readZones(zones), persist);
}
