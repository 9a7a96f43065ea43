/**
 * Errors that the user can mend. A message says what was expected, what was got and where; the hint says how to mend it.
 * The command prints them without a stack trace and ends with `exitCode`; any other error is a bug and keeps its stack.
 */
export class UserError extends Error {
  /** Stable, machine-readable kind, e.g. 'missing-file'. */
  readonly code: string;
  /** How to mend it, one sentence; printed on a line of its own. */
  readonly hint?: string;
  /** Exit code of the command: 2 for a wrong request (the default), 1 for a request that could not be carried out. */
  readonly exitCode: 1 | 2;

  constructor(code: string, message: string, hint?: string, exitCode: 1 | 2 = 2) {
    super(message);
    this.name = 'UserError';
    this.code = code;
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

/** The run was stopped by a signal after finishing what it was doing; the command ends with 130 after Ctrl-C. */
export class Interrupted extends Error {
  constructor(message = 'interrupted') {
    super(message);
    this.name = 'Interrupted';
  }
}

/** Text of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
