/**
 * Progress of long tasks: scans, downloads, validations. All of them report the same kind of event to one sink. The default
 * sink ignores them; the command shows bars (or plain lines without a terminal).
 */

/** Start, progress or end of a task. */
export interface ProgressEvent {
  /** Identifies the task; the same in all its events. */
  id: number;
  state: 'start' | 'update' | 'end';
  /** E.g. 'Scanning train' or 'Fetching yolov8n.pt'. */
  label: string;
  /** Completed units. */
  done: number;
  /** All units; undefined if not (yet) known. */
  total?: number;
  unit: 'images' | 'files' | 'batches' | 'bytes';
}

/** Receiver of progress events. */
export type ProgressSink = (event: ProgressEvent) => void;

/** Reports progress. @param total if it becomes known during the task */
type Update = (done: number, total?: number) => void;

let sink: ProgressSink = () => {};
let last = 0;

/** Reports the progress of tasks to the current sink. */
export const progress = {
  /**
   * Runs a task that reports its progress by calling `update`.
   * @returns what `work` returns
   */
  async track<T>(
    { label, unit, total }: Pick<ProgressEvent, 'label' | 'unit' | 'total'>,
    work: (update: Update) => T | Promise<T>,
  ): Promise<T> {
    const event: ProgressEvent = { id: ++last, state: 'start', label, done: 0, total, unit };
    const emit = (change: Partial<ProgressEvent>): void => sink({ ...Object.assign(event, change) });
    emit({});
    try {
      return await work((done, total = event.total) => emit({ state: 'update', done, total }));
    } finally {
      emit({ state: 'end' });
    }
  },
  /** Replaces the sink. @returns the previous one */
  setSink(next: ProgressSink): ProgressSink {
    const old = sink;
    sink = next;
    return old;
  },
};
