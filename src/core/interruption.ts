/** Stopping in good order: work that holds the thread lets an AbortSignal be heard, and waiting ends when one is. */
import { Interrupted } from './errors.js';

/**
 * Lets timers, Ctrl-C and progress through, which computing without a pause would keep out.
 * @throws Interrupted when `signal` is aborted
 */
export async function hearSignals(signal?: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (signal?.aborted) throw new Interrupted();
}

/** The same outcome as `work`. @throws Interrupted as soon as `signal` is aborted: `work` may never end */
export function orInterrupted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(new Interrupted());
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
