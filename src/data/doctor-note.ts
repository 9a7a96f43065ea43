/** One thing that an examination of a dataset has found. */
import type { Split } from '../core/choices.js';

/** 'harm': training on this wastes time or gives figures that lie; the command then ends with code 1. */
export type Level = 'harm' | 'warning' | 'note';

export interface DoctorNote {
  level: Level;
  /** Stable, for programs: 'pixel-coordinates', 'leakage' … */
  kind: string;
  split?: Split;
  /** What was found. */
  message: string;
  /** What it means and what to do. */
  meaning: string;
  count: number;
  /** Some of the places, `file` or `file:line: …`. */
  examples: string[];
}
