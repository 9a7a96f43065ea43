/**
 * Progress of long work below the command: scans, downloads, batches. It shows nothing by itself; the command puts bars
 * (or plain lines, without a terminal) behind it, and a program that uses the Node API may put its own.
 */
export interface ProgressTask {
  /** So much is done of so much; `note` is said after the numbers. */
  update(done: number, total?: number, note?: string): void;
  /** Takes the bar away; `text` is left in its place. Safe to call twice. */
  end(text?: string): void;
}

export interface ProgressSink {
  /** @param unit what is counted, e.g. 'images'; 'bytes' are shown as MB */
  start(label: string, total: number | undefined, unit: string): ProgressTask;
}

const silent: ProgressSink = { start: () => ({ update: () => {}, end: () => {} }) };
let sink: ProgressSink = silent;

export const progress = {
  start(label: string, total?: number, unit = ''): ProgressTask {
    return sink.start(label, total, unit);
  },
  /** Sends progress elsewhere; returns the sink that was there. */
  setSink(next: ProgressSink): ProgressSink {
    const old = sink;
    sink = next;
    return old;
  },
};
