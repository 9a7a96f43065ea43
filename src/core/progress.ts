/**
 * Progress of long work: scans, downloads, validations. All of it goes through here, as events of one kind. Nothing is shown
 * by itself: the command puts bars (or plain lines, without a terminal) behind it, a program what it likes.
 */

/** A piece of work that has begun, gone on or ended. */
export interface ProgressEvent {
  /** The same for all events of a piece of work. */
  id: number;
  state: 'start' | 'update' | 'end';
  /** 'Scanning train', 'Fetching yolov8n.pt' … */
  label: string;
  /** How much is done, of how much; a total that is not known (yet) is undefined. */
  done: number;
  total?: number;
  /** What is counted. */
  unit: 'images' | 'batches' | 'bytes';
}

export type ProgressSink = (event: ProgressEvent) => void;

/** Tells how much of the work is done. @param total where it becomes known on the way */
type Update = (done: number, total?: number) => void;

let sink: ProgressSink = () => {};
let last = 0;

export const progress = {
  /**
   * Does a piece of work that tells how far it has come.
   * @returns what `work` returns
   */
  async track<T>(
    { label, unit, total }: Pick<ProgressEvent, 'label' | 'unit' | 'total'>,
    work: (update: Update) => T | Promise<T>,
  ): Promise<T> {
    const event: ProgressEvent = { id: ++last, state: 'start', label, done: 0, total, unit };
    const tell = (change: Partial<ProgressEvent>): void => sink({ ...Object.assign(event, change) });
    tell({});
    try {
      return await work((done, total = event.total) => tell({ state: 'update', done, total }));
    } finally {
      tell({ state: 'end' });
    }
  },
  /** Sends progress elsewhere; returns the sink that was there. */
  setSink(next: ProgressSink): ProgressSink {
    const old = sink;
    sink = next;
    return old;
  },
};
