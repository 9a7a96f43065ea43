/**
 * ByteTrack: Y. Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022, algorithm 1.
 * Detections of high confidence are associated with all tracks first, those of low confidence with the remaining tracks. Times
 * are in frames. The result is deterministic.
 */
import { boxArea, boxIou } from '../core/boxes.js';
import type { Box, Detection } from '../core/types.js';
import { assign, costMatrix } from './assignment.js';
import { BoxFilter } from './kalman.js';

/** Settings of a tracker; names and defaults as in cfg/trackers/bytetrack.yaml. */
export interface TrackerSettings {
  /** Minimum confidence of detections in the first association. */
  track_high_thresh: number;
  /** Confidence that detections in the second association must exceed. */
  track_low_thresh: number;
  /** Minimum confidence of an unassociated detection that starts a new track. */
  new_track_thresh: number;
  /** Number of frames after which a lost track is removed. */
  track_buffer: number;
  /** Cost limit of a pair in the first association. */
  match_thresh: number;
  /** Multiply the IoU by the confidence in the first association. */
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

/** Cost limits (1 − IoU) of a pair in the second association and with unconfirmed tracks, as in the paper's code. */
const SECOND_LIMIT = 0.5;
const UNCONFIRMED_LIMIT = 0.7;
/** Two tracks with a smaller distance (1 − IoU) belong to the same object. */
const DUPLICATE_DISTANCE = 0.15;

/** A detection with the id of its track; the box is the tracker's estimate. */
export type Tracked<D extends Detection = Detection> = D & { id: number };

interface Track<D> {
  id: number;
  filter: BoxFilter;
  /** Estimated box, pixels. */
  box: Box;
  /** The last detection that was associated. */
  detection: D;
  /** Frames of the first and the last detection. */
  first: number;
  last: number;
  /** Detected in a second frame, or started in the first frame of the video. */
  confirmed: boolean;
}

/** Tracks of one video. */
export class ByteTracker<D extends Detection = Detection> {
  /** Number of frames so far. */
  private frame = 0;
  private lastId = 0;
  /** Detected in the last frame, including unconfirmed tracks. */
  private tracked: Track<D>[] = [];
  /** Not detected in the last frame, but within `track_buffer`. */
  private lost: Track<D>[] = [];

  constructor(private readonly settings: TrackerSettings = TRACKER_DEFAULTS) {}

  /** Processes the next frame. @param detections boxes in pixels @returns the confirmed tracks that are detected in it */
  update(detections: readonly D[]): Tracked<D>[] {
    this.frame++;
    const { track_high_thresh, track_low_thresh, match_thresh, track_buffer, fuse_score } = this.settings;
    const boxes = detections.filter(({ box }) => boxArea(box) > 0); // an empty box has no aspect ratio
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

  /** Ids of all tracks that can still be detected again. */
  ids(): Set<number> {
    return new Set([...this.tracked, ...this.lost].map(({ id }) => id));
  }

  private predict(track: Track<D>): void {
    track.filter.predict(track.last < this.frame - 1);
    track.box = track.filter.box;
  }

  /**
   * Associates tracks with detections, and updates the associated tracks.
   * @returns `found`: the associated tracks; `tracks`, `detections`: the remaining ones
   */
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

/** Of a tracked and a lost track with nearly the same box, keeps the one with the longer history. */
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
