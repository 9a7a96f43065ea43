/**
 * Tracking as a step between detection and output. Each video, animation and stream has its own tracker; the images of a folder
 * are the frames of one sequence, in natural order of their names. Ids start at 1 in each sequence.
 */
import { dirname } from 'node:path';
import { clipBox } from '../../core/boxes.js';
import type { PredictResult } from '../../core/types.js';
import type { Frame } from '../../data/sources.js';
import type { Polyline } from '../../render/polyline.js';
import { ByteTracker, type Tracked, type TrackerSettings } from '../../track/byte-tracker.js';
import { type Zone, type ZoneCount, ZoneCounter } from '../../track/zones.js';
import { Trails } from './trails.js';
import { zoneLines } from './zone-lines.js';

/** Result of an image or a frame with tracked objects; also the line that `json=true` prints. */
export interface TrackResult extends PredictResult {
  detections: Tracked[];
  /** Counts of the zones, in the order of their file; only with `zones`. */
  zones?: ZoneCount[];
}

/** State between frames. */
interface Sequence {
  tracker: ByteTracker;
  trails: Trails;
  counter: ZoneCounter;
}

/** The sequences of a run, or with `persist` of several. */
export class Sequences {
  /** Sequences of streams by source; of other sources only the last sequence is kept. */
  private readonly streams = new Map<number, Sequence>();
  private last: { name: string; sequence: Sequence } | undefined;

  /**
   * @param zones in which objects are counted
   * @param persist sources other than streams continue the tracks of the previous source
   */
  constructor(
    private readonly settings: TrackerSettings,
    private readonly zones: readonly Zone[],
    private readonly persist: boolean,
  ) {}

  /**
   * Tracks the objects of the next frame.
   * @returns the result with the tracked objects as its detections, boxes clipped to the image; and lines to draw
   */
  readonly step = (result: PredictResult, frame: Frame): { result: TrackResult; lines: Polyline[] } => {
    const { tracker, trails, counter } = this.sequenceOf(frame);
    const detections = tracker.update(result.detections).map((d) => ({ ...d, box: clipBox(d.box, frame.image) }));
    const alive = tracker.ids();
    const lines = trails.add(detections, alive);
    if (this.zones.length === 0) return { result: { ...result, detections }, lines };
    const zones = counter.update(detections, alive, frame.image);
    return {
      result: { ...result, detections, zones },
      lines: [...zoneLines(this.zones, zones, frame.image), ...lines],
    };
  };

  private sequenceOf({ source, path, moving }: Frame): Sequence {
    if (moving?.kind === 'stream') {
      const sequence = this.streams.get(source) ?? this.begin();
      this.streams.set(source, sequence);
      return sequence;
    }
    const name = this.persist ? '' : moving ? `source ${source}` : `folder ${dirname(path)}`;
    if (this.last?.name !== name) this.last = { name, sequence: this.begin() };
    return this.last.sequence;
  }

  private begin(): Sequence {
    const counter = new ZoneCounter(this.zones);
    return { tracker: new ByteTracker(this.settings), trails: new Trails(), counter };
  }
}
