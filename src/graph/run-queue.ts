/** A queue that starts tasks in order, a few at a time, with a limit on waiting tasks and cancellation by an AbortSignal. */

/** A task for the queue. */
export interface Task<T> {
  /** Runs the task. */
  start(): Promise<T>;
  /** Called instead of `start` when the task is removed: it was aborted, or the queue was cleared. */
  drop(): void;
  signal?: AbortSignal;
}

interface Entry {
  begin(): void;
  reject(reason: unknown): void;
}

/** A first-in, first-out queue. */
export class RunQueue {
  private readonly waiting: Entry[] = [];
  private running = 0;

  /** @param limit maximum number of waiting tasks, besides the running ones @param atOnce maximum number of running tasks */
  constructor(
    readonly limit: number,
    private readonly atOnce = 1,
  ) {}

  /** Whether a further task would exceed the limit. */
  get full(): boolean {
    return this.running >= this.atOnce && this.waiting.length >= this.limit;
  }

  /**
   * Adds a task.
   * @returns the task's result. When the signal is aborted, it rejects at once with the signal's reason; a running task
   *   continues, and its result is ignored.
   */
  add<T>({ start, drop, signal }: Task<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settled = (): void => {
        signal?.removeEventListener('abort', abort);
        this.next();
      };
      const entry: Entry = {
        begin: () => void attempt(start).then(resolve, reject).finally(settled),
        reject: (reason) => {
          signal?.removeEventListener('abort', abort);
          drop();
          reject(reason);
        },
      };
      const abort = (): void => {
        const at = this.waiting.indexOf(entry);
        if (at >= 0) this.waiting.splice(at, 1)[0].reject(signal?.reason);
        else reject(signal?.reason);
      };
      signal?.addEventListener('abort', abort);
      if (this.running >= this.atOnce) this.waiting.push(entry);
      else this.begin(entry);
    });
  }

  /** Rejects all waiting tasks. */
  clear(reason: unknown): void {
    for (const entry of this.waiting.splice(0)) entry.reject(reason);
  }

  private begin(entry: Entry): void {
    this.running++;
    entry.begin();
  }

  private next(): void {
    this.running--;
    const entry = this.waiting.shift();
    if (entry) this.begin(entry);
  }
}

/** Calls `start`; a synchronous exception becomes a rejection. */
async function attempt<T>(start: () => Promise<T>): Promise<T> {
  return start();
}
