/** Cancellation by AbortSignal: of loops that would block the event loop, and of promises. */
import { Interrupted } from './errors.js';

/**
 * Yields to the event loop, so that timers, Ctrl-C and progress are handled between blocking computations.
 * @throws Interrupted if `signal` is aborted
 */
export async function checkSignals(signal?: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (signal?.aborted) throw new Interrupted();
}

/**
 * @yields the items
 * @throws Interrupted as soon as `signal` is aborted, even if the next item never comes; `items` is left as it is then
 */
export async function* interruptible<T>(items: AsyncIterator<T>, signal?: AbortSignal): AsyncGenerator<T, void> {
  for (;;) {
    const { done, value } = await abortable(items.next(), signal);
    if (done) return;
    await checkSignals(signal);
    yield value;
  }
}

/** @returns the result of `work` @throws Interrupted as soon as `signal` is aborted, even if `work` never settles */
export function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(new Interrupted());
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
