/**
 * A pool of worker threads, based on tinypool. The task of a thread that fails or ends (out of memory, missing module) is
 * run in the calling thread instead, so that the run continues.
 */
import { Tinypool } from 'tinypool';
import { workerUrl } from '../core/worker-url.js';

/** A pool of threads that run one function. */
export interface ThreadPool<Input, Output> {
  run(input: Input): Promise<Output>;
  /** Ends the threads; pending tasks are rejected. */
  close(): Promise<void>;
}

/**
 * Starts threads.
 * @param worker name of a module in this folder whose default export is `work`
 * @param threads number of threads
 * @param inFlight number of tasks that a thread runs concurrently
 * @param work the function, for tasks that are run in this thread
 */
export function startThreads<Input, Output>(
  worker: string,
  { threads, inFlight = 1 }: { threads: number; inFlight?: number },
  work: (input: Input) => Promise<Output>,
): ThreadPool<Input, Output> {
  const filename = workerUrl(worker, import.meta.url).href;
  const pool = new Tinypool({
    filename,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: inFlight,
  });
  let closing: Promise<void> | undefined;
  // A thread failed to start: its pending tasks would never be run.
  pool.on('error', () => pool.cancelPendingTasks());
  return {
    run: async (input) => {
      try {
        return (await pool.run(input)) as Output;
      } catch (error) {
        if (closing) throw error;
        return work(input);
      }
    },
    close: () => {
      if (!closing) {
        // `destroy` waits for the threads by events.once, which calls removeListener when one fails meanwhile: tinypool's
        // threads lack that method. A thread that failed has ended as well.
        for (const thread of pool.threads) Object.assign(thread, { removeListener: () => {} });
        closing = pool.destroy().catch(() => {});
      }
      return closing;
    },
  };
}
