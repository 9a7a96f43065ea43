/** One thing that an examination of a dataset has found. */

import type { Split } from '../core/choices.js';
import type { FindingKind } from './finding.js';

/** 'harm': training on this wastes time or gives figures that lie; the command then ends with code 1. */
export type Level = 'harm' | 'warning' | 'note';

/** What a note is about: what the scan found in a file, or a mistake that shows in all of them together. */
export type NoteKind =
  | FindingKind
  | 'missing-split'
  | 'unusable-split'
  | 'same-splits'
  | 'unsupported-format'
  | 'pixel-coordinates'
  | 'corner-coordinates'
  | 'classes-from-one'
  | 'identical-boxes'
  | 'whole-image-boxes'
  | 'beyond-image'
  | 'labelled-twice'
  | 'tiny-boxes'
  | 'no-labels'
  | 'image-without-label'
  | 'label-without-image'
  | 'class-not-trained'
  | 'class-zero-unused'
  | 'class-without-objects'
  | 'leakage'
  | 'near-leakage'
  | 'duplicate-image'
  | 'near-duplicate-image'
  | 'contradicting-labels';

export interface DoctorNote {
  level: Level;
  /** Stable, for programs. */
  kind: NoteKind;
  split?: Split;
  /** What was found. */
  message: string;
  /** What it means and what to do. */
  meaning: string;
  count: number;
  /** Some of the places, `file` or `file:line: …`. */
  examples: string[];
}
