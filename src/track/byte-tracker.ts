/**
 * ByteTrack: Y. Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022, algorithm 1.
 * Confident detections are associated with all tracks first, uncertain ones then with the tracks that are left over. Times
 * are numbers of frames; equal inputs give equal tracks.
 */
import { boxArea, boxIou } from '../core/boxes.js';
import type { Box, Detection } from '../core/types.js';
import { assign, costMatrix } from './assignment.js';
import { BoxFilter } from './kalman.js';

/** What a tracker can be told; names and defaults as in cfg/trackers/bytetrack.yaml. */
export interface TrackerSettings {
  /** Confidence from which a detection takes part in the first association. */
  track_high_thresh: number;
  /** Confidence above which it takes part in the second. */
  track_low_thresh: number;
  /** Confidence from which one that fits no track begins a new one. */
  new_track_thresh: number;
  /** Frames for which a lost track can be found again. */
  track_buffer: number;
  /** Largest cost of a pair in the first association. */
  match_thresh: number;
  /** The first association weighs the IoU by the confidence. */
  fuse_score: boolean;
}

export const TRACKER_DEFAULTS: TrackerSettings = {
  track_high_thresh: 0.25,
  track_low_thresh: 0.1,
  new_track_thresh: 0.25,
  track_buffer: 30,
  match_thresh: 0.8,
  fuse_score: true,
};

/** Largest costs (1 − IoU) of a pair in the second association and with unconfirmed tracks, as in the paper's code. */
const SECOND_LIMIT = 0.5;
const UNCONFIRMED_LIMIT = 0.7;
/** Two tracks closer than this (1 − IoU) are of one object. */
const DUPLICATE_DISTANCE = 0.15;

/** A detection with the number of its track; the box is the tracker's estimate. */
export type Tracked<D extends Detection = Detection> = D & { id: number };

interface Track<D> {
  id: number;
  filter: BoxFilter;
  /** The estimate. */
  box: Box;
  /** Seen last. */
  detection: D;
  first: number;
  last: number;
  /** Seen in a second frame, or begun in the first frame of all. */
  confirmed: boolean;
}

/** Tracks of one video. */
export class ByteTracker<D extends Detection = Detection> {
  /** Frames so far. */
  private frame = 0;
  private lastId = 0;
  /** Seen in the last frame; those that are not confirmed yet among them. */
  private tracked: Track<D>[] = [];
  private lost: Track<D>[] = [];

  constructor(private readonly settings: TrackerSettings = TRACKER_DEFAULTS) {}

  /** Takes in the next frame. @param detections boxes in pixels @returns the objects that are tracked in it */
  update(detections: readonly D[]): Tracked<D>[] {
    this.frame++;
    const { track_high_thresh, track_low_thresh, match_thresh, track_buffer, fuse_score } = this.settings;
    const boxes = detections.filter(({ box }) => boxArea(box) > 0); // an empty one has no aspect ratio
    const high = boxes.filter(({ confidence }) => confidence >= track_high_thresh);
    const low = boxes.filter(({ confidence: c }) => c > track_low_thresh && c < track_high_thresh);
    const unconfirmed = this.tracked.filter(({ confirmed }) => !confirmed);
    const pool = [...this.tracked.filter(({ confirmed }) => confirmed), ...this.lost];
    const wasLost = new Set(this.lost);
    for (const track of pool) this.predict(track);

    const first = this.associate(pool, high, match_thresh, fuse_score);
    const seenBefore = first.tracks.filter((track) => !wasLost.has(track));
    const second = this.associate(seenBefore, low, SECOND_LIMIT, false);
    const third = this.associate(unconfirmed, first.detections, UNCONFIRMED_LIMIT, fuse_score);

    const begun = this.begin(third.detections);
    const missed = first.tracks.filter((track) => wasLost.has(track));
    const lost = [...missed, ...second.tracks].filter(({ last }) => this.frame - last <= track_buffer);
    [this.tracked, this.lost] = withoutDuplicates([...first.found, ...second.found, ...third.found, ...begun], lost);
    return this.tracked
      .filter(({ confirmed }) => confirmed)
      .map(({ id, box, detection }) => ({ ...detection, box, id }));
  }

  /** Numbers of the tracks that may appear again. */
  ids(): Set<number> {
    return new Set([...this.tracked, ...this.lost].map(({ id }) => id));
  }

  private predict(track: Track<D>): void {
    track.filter.predict(track.last < this.frame - 1);
    track.box = track.filter.box;
  }

  /** Pairs tracks and detections, and updates the tracks. @returns those that found one, and what is left of both */
  private associate(tracks: Track<D>[], detections: D[], limit: number, fuse: boolean) {
    const costs = costMatrix(tracks.length, detections.length, (i, j) => {
      const iou = boxIou(tracks[i].box, 0, detections[j].box, 0);
      return 1 - (fuse ? iou * detections[j].confidence : iou);
    });
    const columns = assign(costs, limit);
    const taken = new Set(columns);
    const found = tracks.filter((_, i) => columns[i] >= 0);
    tracks.forEach((track, i) => {
      if (columns[i] >= 0) this.see(track, detections[columns[i]]);
    });
    return {
      found,
      tracks: tracks.filter((_, i) => columns[i] < 0),
      detections: detections.filter((_, j) => !taken.has(j)),
    };
  }

  private see(track: Track<D>, detection: D): void {
    track.filter.update(detection.box);
    Object.assign(track, { box: track.filter.box, detection, last: this.frame, confirmed: true });
  }

  private begin(detections: D[]): Track<D>[] {
    const certain = detections.filter(({ confidence }) => confidence >= this.settings.new_track_thresh);
    return certain.map((detection) => ({
      id: ++this.lastId,
      filter: new BoxFilter(detection.box),
      box: detection.box,
      detection,
      first: this.frame,
      last: this.frame,
      confirmed: this.frame === 1,
    }));
  }
}

/** Where a tracked and a lost track lie on one another, the one that was followed for longer stays. */
function withoutDuplicates<D>(tracked: Track<D>[], lost: Track<D>[]): [Track<D>[], Track<D>[]] {
  const drop = new Set<Track<D>>();
  for (const a of tracked)
    for (const b of lost) {
      if (1 - boxIou(a.box, 0, b.box, 0) >= DUPLICATE_DISTANCE) continue;
      drop.add(a.last - a.first > b.last - b.first ? b : a);
    }
  const kept = (tracks: Track<D>[]) => tracks.filter((track) => !drop.has(track));
  return [kept(tracked), kept(lost)];
}
