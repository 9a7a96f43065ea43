/** Tracking: prediction with a tracker between detection and output. */
import type { TrackConfig } from '../../cfg/schema.js';
import type { PredictRunOptions } from '../predict/observer.js';
import { type PredictSummary, predict } from '../predict/predictor.js';
import { Sequences, type TrackResult } from './sequences.js';
import { readTracker } from './tracker-yaml.js';

/** What tracking is given besides its configuration. */
export interface TrackRunOptions extends Omit<PredictRunOptions, 'step'> {
  /** Goes on with the tracks of an earlier run. */
  sequences?: Sequences;
}

/**
 * Detects objects in everything that `source` names and follows them from frame to frame.
 * @yields one result an image or frame, in order, with the objects that are tracked in it
 * @throws UserError as `predict`, and for settings of the tracker; Interrupted after `signal`
 */
export async function* track(
  config: TrackConfig,
  { sequences = sequencesFor(config), ...options }: TrackRunOptions = {},
): AsyncGenerator<TrackResult, PredictSummary> {
  // The step makes a TrackResult of every result.
  const results = predict(config, { ...options, step: sequences.step });
  return yield* results as AsyncGenerator<TrackResult, PredictSummary>;
}

/** @param persist goes on with the tracks of the last source @throws UserError for settings of the tracker */
export function sequencesFor({ tracker }: Pick<TrackConfig, 'tracker'>, persist = false): Sequences {
  return new Sequences(readTracker(tracker), persist);
}
