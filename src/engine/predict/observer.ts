/** What a prediction is told besides its configuration, what it tells as it goes, and what it comes to. */
import type { PredictResult, Speed } from '../../core/types.js';
import type { Origins, SourceInput } from '../../data/program-source.js';
import type { NameOrder } from '../../data/source-list.js';
import type { Frame } from '../../data/sources.js';
import type { Detector } from '../../detect/detector.js';
import type { Polyline } from '../../render/polyline.js';

/** What a prediction is given besides its configuration. */
export interface PredictRunOptions {
  /** Instead of `config.source`: also bytes and pixels. */
  source?: SourceInput;
  /** A model that is loaded already; it is not disposed of. */
  detector?: Detector;
  /** Whether nothing else computes in this process, so that the threads may be divided among several runs of the network. */
  alone?: boolean;
  /** Aborted: the batch under way ends, or the wait for the next image; what was written is finished. */
  signal?: AbortSignal;
  /** Order of the names in folders and of patterns. Default: by code units. */
  order?: NameOrder;
  /** Changes every result before anything is told of it. */
  step?: ResultStep;
  /** Told what happens, after the files of a result are on their way. */
  observers?: readonly PredictObserver[];
}

/**
 * A step between detection and output, called once for each result, in order.
 * @returns what takes the place of the result, and what is drawn besides its boxes
 */
export type ResultStep = (
  result: PredictResult,
  frame: Frame,
) => { result: PredictResult; lines?: readonly Polyline[] };

/** What a prediction tells as it goes. All methods are optional and waited for. */
export interface PredictObserver {
  /** Sources are known and the model is loaded. */
  onStart?(about: { sources?: number; saveDir?: string; engine: string }): void | Promise<void>;
  /**
   * Every image or frame, in order, before it is yielded.
   * @param frame its pixels and where they came from
   * @param lines what is drawn besides the boxes
   */
  onResult?(result: PredictResult, place: ResultPlace, frame: Frame, lines?: readonly Polyline[]): void | Promise<void>;
  /** However the prediction ends. */
  onEnd?(): void | Promise<void>;
}

/** What is predicted. */
export interface Predicted {
  origins: Origins;
  /** First source of each unit that stays together; of a list. */
  units?: readonly number[];
  /** Images of a batch. */
  batch: number;
  engine: string;
}

/** Where a result stands in its run. */
export interface ResultPlace {
  /** Number of its source, from 1, and how many there are; undefined where they come one after the other. */
  source: number;
  sources?: number;
  /** Expected frames of its video. */
  frames?: number;
  kind: 'image' | 'video' | 'animation' | 'stream';
  /** Height and width of the network's input. */
  inputShape: [height: number, width: number];
}

/** What a run of prediction comes to. */
export interface PredictSummary {
  /** Images and frames that were predicted. */
  images: number;
  /** Images that could not be read, with the reason (which names the file). */
  failed: { path: string; reason: string }[];
  /** Folder of what was written; undefined when nothing was. */
  saveDir?: string;
  /** Label files that were written. */
  labels: number;
  /** Milliseconds an image, on average. */
  speed: Speed;
  /** Height and width of the network's input in the last batch. */
  inputShape?: [height: number, width: number];
  /** What ran the model, for people. */
  engine: string;
}
