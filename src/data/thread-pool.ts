/**
 * Threads that do the same work for many inputs, by tinypool. What a thread leaves undone because it died (no memory, code
 * that is not there) is done in this one, so that no thread's end is the end of a run.
 */
import { Tinypool } from 'tinypool';
import { workerUrl } from '../core/worker-url.js';

export interface ThreadPool<Input, Output> {
  run(input: Input): Promise<Output>;
  /** Ends the threads; what is unfinished then rejects. */
  close(): Promise<void>;
}

/**
 * @param worker name of the module beside this one whose default export is `work`
 * @param threads how many are started, at once
 * @param inFlight inputs that a thread works on at a time
 * @param work the same in this thread
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
  // A thread that does not even start: nothing that waits for one may wait for ever.
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
      closing ??= pool.destroy();
      return closing;
    },
  };
}
