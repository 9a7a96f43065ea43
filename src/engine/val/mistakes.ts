/** The mistakes of a validation by kind, after TIDE (metrics/errors.ts): how many, and what each kind costs. */
import { ERROR_KINDS, ERROR_MEANING, type ErrorKind } from '../../metrics/errors.js';
import type { Evaluation } from './evaluate.js';

/** All mistakes of one kind. */
export interface MistakeKind {
  kind: ErrorKind;
  /** At the confidence of the confusion matrix, over all images. */
  count: number;
  /** What mAP50 would gain without them, 0..1; absent where `errors` was off. */
  cost?: number;
  /** For people. */
  meaning: string;
}

/** @returns a row a kind, in the order of ERROR_KINDS */
export function mistakesByKind({ perImage, costs }: Pick<Evaluation, 'perImage' | 'costs'>): MistakeKind[] {
  const counts = new Map<ErrorKind, number>();
  for (const { errors } of perImage) for (const { kind } of errors) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return ERROR_KINDS.map((kind) => ({
    kind,
    count: counts.get(kind) ?? 0,
    cost: costs?.[kind],
    meaning: ERROR_MEANING[kind],
  }));
}
