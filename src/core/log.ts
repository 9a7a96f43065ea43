/**
 * Messages. They go to standard error: standard output is for results only. All code below `cli` writes through the object
 * `log`, so that programs that use the Node API can silence or redirect messages.
 */
import { printable } from './printable.js';

/** Receiver of messages. */
export interface LogSink {
  write(level: 'debug' | 'info' | 'warn' | 'error', text: string): void;
}

const stderrSink: LogSink = {
  write(level, text) {
    process.stderr.write(`${level === 'warn' ? 'WARNING ' : level === 'error' ? 'ERROR ' : ''}${printable(text)}\n`);
  },
};

let sink: LogSink = stderrSink;
let verbose = true;
const warned = new Set<string>();

/** Writes messages to the current sink. */
export const log = {
  /** For debugging: shown only if the variable YOLO_DEBUG is set. */
  debug(text: string): void {
    if (process.env.YOLO_DEBUG) sink.write('debug', text);
  },
  /** Suppressed by `setVerbose(false)`. */
  info(text: string): void {
    if (verbose) sink.write('info', text);
  },
  warn(text: string): void {
    sink.write('warn', text);
  },
  error(text: string): void {
    sink.write('error', text);
  },
  /** A warning that is shown only once per process. */
  warnOnce(text: string): void {
    if (warned.has(text)) return;
    warned.add(text);
    sink.write('warn', text);
  },
  /** Replaces the sink. @returns the previous one */
  setSink(next: LogSink): LogSink {
    const old = sink;
    sink = next;
    return old;
  },
  /** Shows or suppresses messages of level info. */
  setVerbose(on: boolean): void {
    verbose = on;
  },
};
