/** One task at a time: others wait for their turn in order. Their number is bounded, and one that waits can be taken away. */

export interface Waiting<T> {
  /** Starts the task; called when it is its turn. */
  start(): Promise<T>;
  /** Called instead when it will never be: it was aborted, or the queue was closed. */
  drop(): void;
  signal?: AbortSignal;
}

interface Entry {
  begin(): void;
  refuse(reason: unknown): void;
}

export class RunQueue {
  private readonly waiting: Entry[] = [];
  private running = false;

  /** @param limit how many tasks may wait, besides the one that runs */
  constructor(readonly limit: number) {}

  get full(): boolean {
    return this.running && this.waiting.length >= this.limit;
  }

  /**
   * @returns what the task gives. An aborted signal ends the wait at once, with its reason; a task that runs already goes on
   *   to its end, unheard.
   */
  add<T>({ start, drop, signal }: Waiting<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settled = (): void => {
        signal?.removeEventListener('abort', abort);
        this.next();
      };
      const entry: Entry = {
        begin: () => void attempt(start).then(resolve, reject).finally(settled),
        refuse: (reason) => {
          signal?.removeEventListener('abort', abort);
          drop();
          reject(reason);
        },
      };
      const abort = (): void => {
        const at = this.waiting.indexOf(entry);
        if (at >= 0) this.waiting.splice(at, 1)[0].refuse(signal?.reason);
        else reject(signal?.reason);
      };
      signal?.addEventListener('abort', abort);
      if (this.running) this.waiting.push(entry);
      else this.begin(entry);
    });
  }

  /** Refuses all that waits. */
  clear(reason: unknown): void {
    for (const entry of this.waiting.splice(0)) entry.refuse(reason);
  }

  private begin(entry: Entry): void {
    this.running = true;
    entry.begin();
  }

  private next(): void {
    this.running = false;
    const entry = this.waiting.shift();
    if (entry) this.begin(entry);
  }
}

/** The same promise; what `start` throws is its rejection, too. */
async function attempt<T>(start: () => Promise<T>): Promise<T> {
  return start();
}
