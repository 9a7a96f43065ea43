/** Problems in the files of a dataset: kind, severity, file, and line where there is one. */

/** What kind of problem it is. */
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

/** A problem in one file of a dataset. */
export interface Finding {
  kind: FindingKind;
  /** 'corrupt': the image is excluded; 'warning': it is used. */
  severity: 'corrupt' | 'warning';
  file: string;
  /** From 1. */
  line?: number;
  /** The invalid number, of kinds 'bad-class' and 'out-of-range'. */
  value?: number;
  message: string;
}

/** @returns `file:line: message`, the format of compilers */
export function formatFinding(finding: Finding): string {
  return `${finding.file}${finding.line === undefined ? '' : `:${finding.line}`}: ${finding.message}`;
}
