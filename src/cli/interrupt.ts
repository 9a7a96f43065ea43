/** Ctrl-C: work that can stop in good order gets a signal; everything else, or a second Ctrl-C, ends at once with 130. */
import { log } from '../core/log.js';

/**
 * @param message said at the first Ctrl-C, e.g. 'stopping after this batch'
 * @returns aborted by the first Ctrl-C; the second one ends the process
 */
export function stopInGoodOrder(message: string): AbortSignal {
  const controller = new AbortController();
  process.removeListener('SIGINT', endNow);
  process.on('SIGINT', () => {
    if (controller.signal.aborted) endNow();
    controller.abort();
    log.info(`${message} (Ctrl-C again: at once)`);
  });
  return controller.signal;
}

/** Until a command asks for more time: Ctrl-C ends the process, the terminal left as it was. */
export function endOnSignals(): void {
  process.on('SIGINT', endNow);
  process.on('SIGTERM', () => process.exit(143));
}

function endNow(): never {
  process.exit(130);
}
