/** Work on several items at once whose results come in order. */

/**
 * Starts `map` before the result is asked for, so that what one item waits for can overlap with the work on the next.
 * @param n so many items may be on their way, the one whose result was handed out last among them; 1: one after the other
 * @yields results in the order of the items, each as soon as it is there
 * @throws what `items` or `map` throws, after the results before it
 */
export async function* mapAhead<T, R>(
  items: AsyncIterable<T>,
  n: number,
  map: (item: T) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const started: Promise<R>[] = [];
  let over = false;
  let failure: { error: unknown } | undefined;
  let changed = (): void => {};
  const change = () => new Promise<void>((resolve) => (changed = resolve));

  const pump = async (): Promise<void> => {
    try {
      for await (const item of items) {
        if (over) return;
        const result = map(item);
        result.catch(() => {}); // heard below, in its turn
        started.push(result);
        changed();
        while (started.length >= n && !over) await change();
        if (over) return;
      }
    } catch (error) {
      failure = { error };
    }
    over = true;
    changed();
  };

  void pump();
  try {
    for (;;) {
      while (started.length === 0 && !over) await change();
      if (started.length === 0) break;
      yield await started[0];
      started.shift();
      changed();
    }
    if (failure) throw failure.error;
  } finally {
    over = true;
    changed();
  }
}
