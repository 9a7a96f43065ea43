/**
 * A split of a dataset, opened: its pictures with their sizes and labels, in a fixed order, and everything that was
 * found wrong on the way. Files of the user are only read.
 */
import type { Finding } from './finding.js';

export interface DatasetImage {
  /** As found on disk, absolute. */
  path: string;
  /** Pixels, upright (after EXIF rotation). */
  width: number;
  height: number;
  /** Rows of 5: class, cx, cy, w, h in 0..1 of the upright picture; length 0 for a background. */
  labels: Float32Array;
  /** Where its label file is or would be. */
  labelFile: string;
  hasLabelFile: boolean;
}

export interface DatasetCounts {
  /** Pictures that are used (backgrounds among them). */
  images: number;
  /** Used pictures without any object, with or without a label file. */
  backgrounds: number;
  /** Pictures without a label file (part of backgrounds). */
  missingLabels: number;
  /** Pictures left out. */
  corrupt: number;
  /** Rows dropped because the file has them twice. */
  duplicateRows: number;
  /** Rows that were polygons. */
  polygons: number;
  /** Objects. */
  instances: number;
}

export interface Dataset {
  /** The YAML. */
  file: string;
  split: string;
  /** Class names by index; K = names.length. */
  names: string[];
  /** Sorted by path. */
  images: DatasetImage[];
  findings: Finding[];
  counts: DatasetCounts;
  /** True when everything came from labels.cache. */
  fromCache: boolean;
}

export interface OpenOptions {
  /** All classes are one ('item'). */
  singleCls?: boolean;
  /** Only objects of these classes are kept; pictures stay. */
  classes?: number[] | null;
  /** Only this part of the (sorted) pictures, 0..1. */
  fraction?: number;
  /** Told how many files have been looked at. */
  onProgress?: (done: number, total: number) => void;
}
