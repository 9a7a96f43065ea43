/** What is wrong with, or remarkable about, a file of a dataset: always with the file, the line where there is one, and what it means. */
export type FindingKind =
  | 'missing-image'
  | 'broken-image'
  | 'unreadable-image'
  | 'large-image'
  | 'small-image'
  | 'truncated-image'
  | 'unreadable-label'
  | 'too-many-labels'
  | 'wrong-columns'
  | 'not-a-number'
  | 'bad-class'
  | 'out-of-range'
  | 'negative-size'
  | 'empty-box'
  | 'duplicate-row';

export interface Finding {
  kind: FindingKind;
  /** 'corrupt': the image is left out; 'warning': it is used all the same. */
  severity: 'corrupt' | 'warning';
  file: string;
  /** From 1. */
  line?: number;
  /** The number that is wrong, of kinds 'bad-class' and 'out-of-range'. */
  value?: number;
  message: string;
}

/** `file:line: message`, as compilers write it. */
export function formatFinding(finding: Finding): string {
  return `${finding.file}${finding.line === undefined ? '' : `:${finding.line}`}: ${finding.message}`;
}
