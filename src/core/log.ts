/**
 * Progress and messages. They go to standard error: standard output is for results alone.
 * Code below `cli` writes through this one object, so that a program that uses the Node API can silence or redirect it.
 */
import { printable } from './printable.js';

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
const said = new Set<string>();

export const log = {
  /** Only for those who look for a fault; not shown by default. */
  debug(text: string): void {
    if (process.env.YOLO_DEBUG) sink.write('debug', text);
  },
  info(text: string): void {
    if (verbose) sink.write('info', text);
  },
  warn(text: string): void {
    sink.write('warn', text);
  },
  error(text: string): void {
    sink.write('error', text);
  },
  /** A warning that is worth saying once per process. */
  warnOnce(text: string): void {
    if (said.has(text)) return;
    said.add(text);
    sink.write('warn', text);
  },
  /** Sends messages elsewhere; returns the sink that was there. */
  setSink(next: LogSink): LogSink {
    const old = sink;
    sink = next;
    return old;
  },
  setVerbose(on: boolean): void {
    verbose = on;
  },
};
