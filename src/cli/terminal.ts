/**
 * Standard output, which is for results, and standard error, for everything else: colours, width, and what happens when they
 * are closed.
 */
import { Chalk, type ChalkInstance, supportsColor, supportsColorStderr } from 'chalk';
import { printable } from '../core/printable.js';
import { lostReader } from './interrupt.js';

/** NO_COLOR (no-color.org) wins over what a terminal can do; FORCE_COLOR, which chalk reads, over both. */
function colors(level: 0 | 1 | 2 | 3): ChalkInstance {
  const forbidden = Boolean(process.env.NO_COLOR) && process.env.FORCE_COLOR === undefined;
  return new Chalk({ level: forbidden ? 0 : level });
}

/** Colours of standard output. */
export const out = colors(supportsColor ? supportsColor.level : 0);
/** Colours of standard error. */
export const err = colors(supportsColorStderr ? supportsColorStderr.level : 0);

/** Columns of standard error; 80 without a terminal. */
export function columns(): number {
  return process.stderr.columns || 80;
}

/** One line of result. */
export function print(line: string): void {
  process.stdout.write(`${printable(line)}\n`);
}

/** Text of this package, of several lines and with colours. */
export function printText(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One object of result, on a line of its own. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** Redirects what libraries print with console.log to standard error. */
export function keepStdoutForResults(): void {
  console.log = console.error;
  console.info = console.error;
}

/**
 * When the reader of standard output closes it (`| head`), the command ends silently. When standard error or the terminal is
 * closed, work that can stop cleanly does so.
 */
export function endWithReader(): void {
  let lost = false;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      const { code } = error;
      const terminal = code === 'EIO';
      if (code !== 'EPIPE' && !terminal) throw error;
      if (stream === process.stdout && !terminal) process.exit(process.exitCode ?? 0);
      if (!lost) lostReader(terminal);
      lost = true;
    });
  }
}

/** Waits until everything that was printed has left the process. */
export async function printed(): Promise<void> {
  await Promise.all(
    [process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => stream.write('', () => resolve()))),
  );
}
