/**
 * Ctrl-C, SIGTERM (containers, batch systems) and SIGHUP (the terminal was closed). Work that can stop cleanly gets an
 * AbortSignal; all other work ends at once. A second Ctrl-C or SIGTERM ends the process whatever it is doing: from then on
 * the system handles them, not the event loop, which may be blocked.
 */
import { log } from '../core/log.js';

/** 128 and the number of the signal, as shells have it. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
type Stop = keyof typeof EXIT_CODES;
const SIGNALS = Object.keys(EXIT_CODES) as Stop[];

/** A signal within this time is the same one again: npm passes on what the terminal has sent already. */
const SAME_MS = 150;

let received: Stop = 'SIGINT';
let stopping = false;

/** Whether a signal has come: from then on the process may end at any time. */
export function isStopping(): boolean {
  return stopping;
}

/** Exit code of a command that was interrupted. */
export function interruptedCode(): number {
  return EXIT_CODES[received];
}

/** Until a command asks for more time: a signal ends the process, the terminal left as it was. */
export function endOnSignals(): void {
  for (const signal of SIGNALS) process.on(signal, endNow);
}

function endNow(signal: Stop): never {
  log.info('interrupted');
  process.exit(EXIT_CODES[signal]);
}

/**
 * From now on the first signal, or the loss of standard error, aborts `controller` instead of the process.
 * @param message said then, e.g. 'stopping after this batch'
 */
export function stopCleanly(controller: AbortController, message: string): void {
  const stop = (signal: Stop): void => {
    if (stopping) return;
    stopping = true;
    received = signal;
    log.info(`${message}${signal === 'SIGINT' ? ' (Ctrl-C again: at once)' : ''}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SAME_MS);
    // What came meanwhile is lost; what comes now is the system's.
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.removeListener(name, stop);
    controller.abort();
  };
  // In this order: without any listener a signal that has come already would be lost.
  for (const signal of SIGNALS) {
    process.on(signal, stop);
    process.removeListener(signal, endNow);
  }
  loseReader = () => stop('SIGHUP');
}

let loseReader = (): void => process.exit(process.exitCode ?? 0);

/** Standard error has no reader any more. @param terminal it was a terminal, which is gone */
export function lostReader(terminal: boolean): void {
  if (terminal) dieOfHangUp();
  loseReader();
}

/** Node crashes at its end when it can't give a terminal back that is gone: the system ends the process before. */
function dieOfHangUp(): void {
  process.once('exit', () => {
    process.removeAllListeners('SIGHUP');
    process.kill(process.pid, 'SIGHUP');
  });
}
