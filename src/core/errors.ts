/**
 * An error that the user can fix. The message says what was expected, what was found and where; the hint says how to fix it.
 * The command prints it without a stack trace and exits with `exitCode`; any other error is a bug and keeps its stack.
 */
export class UserError extends Error {
  /** Stable, machine-readable kind, e.g. 'missing-file'. */
  readonly code: string;
  /** How to fix it, one sentence; printed on a separate line. */
  readonly hint?: string;
  /** Exit code of the command: 2 for an invalid request (the default), 1 for a valid request that failed. */
  readonly exitCode: 1 | 2;

  constructor(code: string, message: string, hint?: string, exitCode: 1 | 2 = 2) {
    super(message);
    this.name = 'UserError';
    this.code = code;
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

/** Thrown when an AbortSignal or a process signal stopped the work; the command exits with 130 after Ctrl-C. */
export class Interrupted extends Error {
  constructor(message = 'interrupted') {
    super(message);
    this.name = 'Interrupted';
  }
}

/** Message of any value that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
