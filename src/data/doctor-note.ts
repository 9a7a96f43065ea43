/** A note: one result of the examination of a dataset (doctor.ts). */
import type { Split } from '../core/choices.js';
import type { FindingKind } from './finding.js';

/** 'harm': training would fail or give wrong metrics; `yolo check` then exits with code 1. */
export type Level = 'harm' | 'warning' | 'note';

/** What a note is about: a problem in single files, or a systematic error in all of them. */
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

/** One result of an examination. */
export interface DoctorNote {
  level: Level;
  /** Stable identifier for programs. */
  kind: NoteKind;
  split?: Split;
  /** What was found. */
  message: string;
  /** What it means and what to do. */
  meaning: string;
  count: number;
  /** Some of the occurrences, `file` or `file:line: …`. */
  examples: string[];
}
