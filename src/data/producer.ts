/**
 * Composes the images of an epoch into the shared memory of the batches. Several producers, each in a worker thread, take
 * images from a shared atomic counter; with workers=0 there is one producer, in the main thread. While one image is
 * composed, the source images of the next one are decoded.
 */
import { messageOf, UserError } from '../core/errors.js';
import { largestImage, partSize, positionAt } from './epoch-plan.js';
import { type Started, TrainingImages, type TrainingSet } from './training-images.js';

/** Words of a run's control block: the next turn (positionAt) to be taken, whether to stop, and their number. */
export const NEXT = 0;
export const STOP = 1;
export const CONTROL_WORDS = 2;

/** Data of a producer, sent to each worker once. */
export interface ProducerSetup {
  set: TrainingSet;
  /** Ring buffer [depth, part of a batch, largest image] of bytes: batch b is at index b mod depth. */
  ring: SharedArrayBuffer;
  depth: number;
}

/** Messages to a producer. `room`: batches with a number below it may be written. */
export type ToProducer =
  | { type: 'run'; run: number; epoch: number; mosaic: boolean; control: Int32Array; room: number }
  | { type: 'room'; run: number; room: number };

/** Messages from a producer. */
export type FromProducer =
  | { type: 'image'; run: number; position: number; labels: Float32Array }
  | { type: 'failed'; run: number; error: PackedError }
  | { type: 'ended'; run: number };

/** An error as plain values, as structured cloning loses the properties of UserError. */
export interface PackedError {
  message: string;
  stack?: string;
  user?: { code: string; hint?: string; exitCode: 1 | 2 };
}

interface Taken extends Started {
  position: number;
}

/** Prepares images of one epoch after the other, as its messages say. */
export class Producer {
  private readonly images: TrainingImages;
  private run = -1;
  private room = 0;
  private wake: () => void = () => {};
  private work: Promise<void> = Promise.resolve();

  constructor(
    private readonly setup: ProducerSetup,
    private readonly send: (message: FromProducer) => void,
  ) {
    this.images = new TrainingImages(setup.set);
  }

  /** Handles a message; runs follow one another. */
  receive(message: ToProducer): void {
    if (message.type === 'run') this.work = this.work.then(() => this.produce(message));
    else if (message.run === this.run) {
      this.room = message.room;
      this.wake();
    }
  }

  private async produce({ run, epoch, mosaic, control, room }: ToProducer & { type: 'run' }): Promise<void> {
    this.run = run;
    this.room = room;
    const held: Taken[] = [];
    const stopped = (): boolean => Atomics.load(control, STOP) !== 0;
    try {
      const plan = this.images.startEpoch(epoch, mosaic);
      const take = (): void => {
        const position = positionAt(plan, Atomics.add(control, NEXT, 1), partSize(this.setup.set.plan));
        if (position !== undefined) held.push({ position, ...this.images.start(position) });
      };
      take();
      while (held.length && !stopped()) {
        take();
        if (!(await this.hasRoom(held[0].position, stopped))) break;
        await this.deliver(run, held.shift()!);
      }
    } catch (error) {
      Atomics.store(control, STOP, 1);
      this.send({ type: 'failed', run, error: packError(error) });
    }
    await Promise.all(held.map(({ sources }) => this.images.release(sources)));
    this.send({ type: 'ended', run });
  }

  private async deliver(run: number, taken: Taken): Promise<void> {
    const { set, ring, depth } = this.setup;
    const number = Math.floor(taken.position / set.plan.batch);
    const { start, outWidth, outHeight } = taken.batch;
    const batchBytes = partSize(set.plan) * largestImage(set.plan);
    const bytes = outWidth * outHeight * 3;
    const out = new Uint8Array(ring, (number % depth) * batchBytes + (taken.position - start) * bytes, bytes);
    const labels = await this.images.finish(taken, out);
    this.send({ type: 'image', run, position: taken.position, labels });
  }

  /** Waits until the batch of a position may be written. @returns false when the run was stopped */
  private async hasRoom(position: number, stopped: () => boolean): Promise<boolean> {
    const number = Math.floor(position / this.setup.set.plan.batch);
    while (number >= this.room && !stopped()) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    return !stopped();
  }
}

function packError(error: unknown): PackedError {
  const message = messageOf(error);
  if (error instanceof UserError) {
    return { message, user: { code: error.code, hint: error.hint, exitCode: error.exitCode } };
  }
  return { message, stack: error instanceof Error ? error.stack : undefined };
}

/** @returns the UserError or Error that was packed */
export function unpackError({ message, stack, user }: PackedError): Error {
  if (user) return new UserError(user.code, message, user.hint, user.exitCode);
  const error = new Error(message);
  if (stack) error.stack = stack;
  return error;
}
