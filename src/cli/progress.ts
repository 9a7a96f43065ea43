/**
 * Progress on standard error: a bar on a terminal (cli-progress), now and then a plain line without one. One bar shows at
 * a time, the one started last; messages go above it; the cursor comes back however the process ends.
 */
import { createRequire } from 'node:module';
import type cliProgress from 'cli-progress';
import { type LogSink, log } from '../core/log.js';
import { printable } from '../core/printable.js';
import { type ProgressEvent, progress } from '../core/progress.js';
import { bytes, clock, memory, rate } from './format.js';
import { isStopping } from './interrupt.js';
import { columns, err } from './terminal.js';

const require = createRequire(import.meta.url);

/** Seconds between the plain lines that stand for a bar where there is no terminal. */
const LINE_SECONDS = 15;
const BAR_WIDTH = 20;

/** What a bar says: everything behind the label. */
export interface BarState {
  label: string;
  /** Where it stood at the start. */
  from: number;
  done: number;
  total: number | undefined;
  unit: string;
  note: string;
  seconds: number;
}

/** `label: 45% ━━━━━     57/126 images 18.2/s 0:03<0:04 note`; what has no room is left out, the label last. */
export function barText({ from, done, total, unit, seconds, ...text }: BarState, width: number): string {
  const [label, note] = [printable(text.label), printable(text.note)];
  const count = (n: number): string => (unit === 'bytes' ? bytes(n) : String(n));
  const part = total ? Math.min(done / total, 1) : undefined;
  const filled = Math.round((part ?? 0) * BAR_WIDTH);
  const perSecond = (done - from) / seconds;
  const remaining = total !== undefined && done > from ? (total - done) / perSecond : Number.NaN;
  const pieces: [text: string, rank: number][] = [
    [label && `${label}:`, 0],
    [part === undefined ? '' : `${Math.floor(part * 100)}%`.padStart(4), 1],
    [part === undefined ? '' : '━'.repeat(filled) + '─'.repeat(BAR_WIDTH - filled), 4],
    [count(done) + (total === undefined ? '' : `/${count(total)}`) + (unit && unit !== 'bytes' ? ` ${unit}` : ''), 3],
    [unit === 'bytes' ? `${bytes(perSecond || 0)}/s` : rate(perSecond), 5],
    [part === undefined ? clock(seconds) : `${clock(seconds)}<${clock(remaining)}`, 2],
    [note, 6],
  ];
  for (let most = 6; most > 0; most--) {
    const shown = pieces.filter(([piece, rank]) => piece !== '' && rank <= most).map(([piece]) => piece);
    const text = shown.join(' ');
    if (text.length <= width) return text;
  }
  return label.slice(0, width);
}

/** A running bar; `label` may change while it runs. */
export class Bar {
  readonly state: BarState;
  private readonly started = performance.now();
  private lastLine = performance.now();
  private bar?: cliProgress.SingleBar;
  private ended = false;

  constructor(label: string, total: number | undefined, unit: string, from = 0) {
    this.state = { label, from, done: from, total, unit, note: '', seconds: 0 };
    running.at(-1)?.hide();
    running.push(this);
    this.show();
  }

  update(done: number, total = this.state.total, note = ''): void {
    if (this.ended) return;
    Object.assign(this.state, { done, total, note, seconds: this.elapsed() });
    if (this.bar) {
      this.bar.update(done);
    } else if (!drawsBars() && performance.now() - this.lastLine > LINE_SECONDS * 1000) {
      this.lastLine = performance.now();
      log.info(barText(this.state, 100));
    }
  }

  end(text?: string): void {
    if (this.ended) return;
    this.ended = true;
    this.hide();
    running.splice(running.indexOf(this), 1);
    if (text !== undefined) log.info(text);
    running.at(-1)?.show();
  }

  /** Takes the bar from the screen for a while. */
  hide(): void {
    this.bar?.stop();
    this.bar = undefined;
  }

  show(): void {
    if (quiet || !drawsBars() || this.bar) return;
    const format = (): string => barText({ ...this.state, seconds: this.elapsed() }, columns() - 1);
    const options = {
      format,
      stream: process.stderr,
      hideCursor: !isStopping(), // a process that is ended by the system can't show it again
      clearOnComplete: true,
      linewrap: true,
      gracefulExit: false,
      fps: 8,
    };
    const { SingleBar }: typeof cliProgress = require('cli-progress'); // only where a bar is drawn
    this.bar = new SingleBar(options);
    this.bar.start(Math.max(this.state.total ?? 1, 1), this.state.done);
  }

  /** Prints above the bar. */
  static above(write: () => void): void {
    const top = running.at(-1);
    const shown = top?.bar !== undefined;
    if (shown) top.hide();
    write();
    if (shown) top.show();
  }

  private elapsed(): number {
    return (performance.now() - this.started) / 1000;
  }
}

const running: Bar[] = [];
let quiet = false;

/** A terminal that can go back in a line. */
function drawsBars(): boolean {
  return Boolean(process.stderr.isTTY) && process.env.TERM !== 'dumb';
}

/**
 * Shows the progress of everything below, and keeps messages clear of it.
 * @param shown false: no bars, only messages
 */
export function showProgress(shown = true): void {
  quiet = !shown;
  progress.setSink(showEvent);
  const messages: LogSink = {
    write: (level, text) => Bar.above(() => process.stderr.write(`${colored(level, printable(text))}\n`)),
  };
  log.setSink(messages);
  process.on('exit', () => {
    for (const bar of running) bar.hide();
  });
}

/** Bars of the work under way, by its id. */
const bars = new Map<number, Bar>();

function showEvent({ id, state, label, done, total, unit }: ProgressEvent): void {
  if (state === 'start') bars.set(id, new Bar(label, total, unit));
  else if (state === 'update') bars.get(id)?.update(done, total, unit === 'batches' ? memory() : '');
  else {
    bars.get(id)?.end();
    bars.delete(id);
  }
}

function colored(level: 'debug' | 'info' | 'warn' | 'error', text: string): string {
  if (level === 'warn') return `${err.yellow('WARNING')} ${text}`;
  if (level === 'error') return `${err.red('ERROR')} ${text}`;
  return level === 'debug' ? err.dim(text) : text;
}
