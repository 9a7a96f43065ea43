/** The loss of a worker, as TensorFlow reports it to the others. */
import { UserError } from '../../../core/errors.js';
import type { Members } from './members.js';

/** Status codes with which collective operations end when another worker is gone or silent. */
const LOST = ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'ABORTED', 'CANCELLED', 'INTERNAL', 'UNKNOWN', 'FAILED_PRECONDITION'];

/** @returns UserError 'worker-lost' (exit code 1) for errors of collective operations, else the error itself */
export function lostWorker(error: unknown, { addresses, index }: Members): unknown {
  const { code, message } = error as { code?: string; message: string };
  if (!code || !LOST.includes(code)) return error;
  if (process.env.YOLO_DEBUG) process.stderr.write(`${code} ${message}\n`);
  const named = addresses.flatMap((address, i) =>
    i !== index && (message.includes(`task:${i}`) || message.includes(address)) ? [`worker ${i} (${address})`] : [],
  );
  const who =
    named.length === 1
      ? named[0]
      : addresses.length === 2
        ? `worker ${1 - index} (${addresses[1 - index]})`
        : 'a worker';
  const what = code === 'DEADLINE_EXCEEDED' ? 'does not answer' : 'is gone';
  return new UserError('worker-lost', `${who} ${what}`, undefined, 1);
}
