/** The command as one of several workers (TF_CONFIG): only the first one prints, errors excepted. */
import { UserError } from '../core/errors.js';
import { type LogSink, log } from '../core/log.js';
import { printable } from '../core/printable.js';
import { progress } from '../core/progress.js';
import { membersOf } from '../engine/train/cluster/members.js';
import { type FromWorker, LAUNCHED } from './launch.js';

/** This process as a worker. */
export interface Worker {
  /** It is not the first one. */
  silent: boolean;
  /** The run has begun. */
  started(run: { dir: string; lastPath: string }): void;
  /** Passes the loss of another worker on to the launcher, if there is one, which then says it. */
  report(work: Promise<number>): Promise<number>;
}

/** @returns undefined when TF_CONFIG names one worker only @throws UserError 'bad-cluster' */
export function asWorker(): Worker | undefined {
  const members = membersOf(process.env.TF_CONFIG);
  if (!members) return undefined;
  const silent = members.index > 0;
  if (silent) beSilent();
  const tell = launcher();
  return {
    silent,
    started: ({ dir, lastPath: last }) => {
      if (!silent) void tell?.({ type: 'started', dir, last });
    },
    report: (work) =>
      work.catch(async (error) => {
        if (!tell || !(error instanceof UserError && error.code === 'worker-lost')) throw error;
        await tell({ type: 'lost', message: error.message });
        return 1;
      }),
  };
}

function beSilent(): void {
  const errors: LogSink = {
    write(level, text) {
      if (level === 'error') process.stderr.write(`ERROR ${printable(text)}\n`);
    },
  };
  log.setVerbose(false);
  log.setSink(errors);
  progress.setSink(() => {});
}

/** Sends messages to the launcher; undefined without one. Its end is that of this process. */
function launcher(): ((message: FromWorker) => Promise<void>) | undefined {
  if (!process.env[LAUNCHED] || !process.send) return undefined;
  process.once('disconnect', () => process.exit(1));
  return (message) => new Promise((resolve) => process.send!(message, undefined, undefined, () => resolve()));
}
