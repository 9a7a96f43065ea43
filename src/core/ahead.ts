/** Concurrent mapping of an asynchronous sequence, with results in order. */

/**
 * Maps the items of a sequence, several at a time: `map` is called before its result is requested, so that waiting for one
 * item overlaps with work on the next.
 * @param n maximum number of items in flight, including the one whose result was yielded last; 1: sequential
 * @yields the results in the order of the items, each as soon as it is available
 * @throws what `items` or `map` throws, after all results before it
 */
export async function* mapAhead<T, R>(
  items: AsyncIterable<T>,
  n: number,
  map: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const started: Promise<R>[] = [];
  let ended = false;
  let failure: { error: unknown } | undefined;
  let changed = (): void => {};
  const change = () => new Promise<void>((resolve) => (changed = resolve));

  const pump = async (): Promise<void> => {
    try {
      for await (const item of items) {
        if (ended) return;
        const result = map(item);
        result.catch(() => {}); // handled when the result is awaited below
        started.push(result);
        changed();
        while (started.length >= n && !ended) await change();
        if (ended) return;
      }
    } catch (error) {
      failure = { error };
    }
    ended = true;
    changed();
  };

  void pump();
  try {
    for (;;) {
      while (started.length === 0 && !ended) await change();
      if (started.length === 0) break;
      yield await started[0];
      started.shift();
      changed();
    }
    if (failure) throw failure.error;
  } finally {
    ended = true;
    changed();
  }
}
