/**
 * Training batches: shuffled, augmented, prepared ahead in worker threads. What a batch holds is a function of (seed,
 * epoch, image) and the settings: the number of workers, what was drawn before and where an epoch was entered change
 * nothing. Memory is bounded: `depth` batches, and a cache of decoded images (cache-plan.ts). The threads are started here
 * and not by a pool (thread-pool.ts): each has a state of its own, a run of images that it takes itself.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { workerUrl } from '../core/worker-url.js';
import type { Batch } from './batch.js';
import { type EpochPlan, largestImage, planEpoch } from './epoch-plan.js';
import {
  CONTROL_WORDS,
  type FromProducer,
  NEXT,
  Producer,
  type ProducerSetup,
  STOP,
  type ToProducer,
  unpackError,
} from './producer.js';
import { gatherTrainingSet, type TrainLoaderOptions } from './training-set.js';

export type { TrainLoaderOptions };

/** Batches in memory at a time: one that is trained on, two that are being prepared. */
const DEPTH = 3;

export interface EpochOptions {
  /** False closes mosaic, mixup and cutmix. Default: true. */
  mosaic?: boolean;
  /** The first batch that is wanted, to go on in the middle of an epoch. Default: 0. */
  startBatch?: number;
}

export interface TrainLoader {
  /** Images. */
  readonly images: number;
  /** Of an epoch; the last one may be partial. */
  readonly batches: number;
  /** Starts preparing at once; to be called when the epoch before has ended or been given up. */
  epoch(epoch: number, options?: EpochOptions): AsyncGenerator<Batch, void, void>;
  /** Ends the threads. */
  close(): Promise<void>;
}

/**
 * How many threads make sense of those asked for: half the processors, since the training step wants them too and one
 * thread prepares far more images than a processor can train on.
 */
export function limitWorkers(asked: number): number {
  return Math.max(0, Math.min(asked, Math.ceil(availableParallelism() / 2)));
}

/** @throws UserError when an image turns out to be broken, from the epoch's iterator */
export function createTrainLoader(options: TrainLoaderOptions): TrainLoader {
  return new Loader(options);
}

/** A producer, here or in a thread. */
interface Channel {
  post(message: ToProducer): void;
  /** Whether the process stays alive for it. */
  hold(on: boolean): void;
  close(): Promise<void>;
}

/** An epoch being produced. */
interface Run {
  id: number;
  plan: EpochPlan;
  control: Int32Array;
  /** Labels by position; undefined: not there yet. */
  labels: (Float32Array | undefined)[];
  /** Images of each batch still to come. */
  missing: number[];
  ended: number;
  error?: Error;
  /** Called when something changed. */
  changed: () => void;
}

class Loader implements TrainLoader {
  readonly images: number;
  readonly batches: number;
  private readonly setup: ProducerSetup;
  private readonly channels: Channel[] = [];
  private current?: Run;
  private runs = 0;
  private closed = false;
  private starting: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: TrainLoaderOptions) {
    this.images = options.images.length;
    this.batches = Math.ceil(this.images / options.batch);
    const set = gatherTrainingSet(options);
    const depth = options.workers ? DEPTH : 1;
    const ring = new SharedArrayBuffer(depth * Math.min(options.batch, this.images) * largestImage(set.plan));
    this.setup = { set, ring, depth };
  }

  epoch(epoch: number, { mosaic = true, startBatch = 0 }: EpochOptions = {}): AsyncGenerator<Batch, void, void> {
    if (this.closed) throw new Error('the loader is closed');
    const started = this.begin(epoch, mosaic, startBatch);
    this.starting = started.catch(() => {});
    return this.deliver(started, startBatch);
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.starting;
    await this.stop();
    await Promise.all(this.channels.splice(0).map((channel) => channel.close()));
  }

  private async begin(epoch: number, mosaic: boolean, startBatch: number): Promise<Run> {
    await this.stop();
    if (this.closed) throw new Error('the loader is closed');
    this.open();
    const { set, depth } = this.setup;
    const plan = planEpoch(set.plan, set.sizes, epoch);
    const control = new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
    control[NEXT] = startBatch * set.plan.batch;
    const id = this.runs++;
    const missing = plan.batches.map(({ count }) => count);
    const run: Run = { id, plan, control, labels: new Array(this.images), missing, ended: 0, changed: () => {} };
    this.current = run;
    for (const channel of this.channels) {
      channel.post({ type: 'run', run: id, epoch, mosaic, control, room: startBatch + depth });
    }
    return run;
  }

  private async *deliver(started: Promise<Run>, startBatch: number): AsyncGenerator<Batch, void, void> {
    const run = await started;
    try {
      for (let number = startBatch; number < run.plan.batches.length; number++) {
        const made = (): boolean => run.missing[number] === 0;
        await this.until(run, () => made() || run.error !== undefined || this.over(run));
        if (run.error) throw run.error;
        if (!made()) throw new Error('this epoch was given up when another one was started');
        yield this.batch(run, number);
        const room = number + 1 + this.setup.depth;
        for (const channel of this.channels) channel.post({ type: 'room', run: run.id, room });
      }
    } finally {
      await this.stop(run);
    }
  }

  private batch(run: Run, number: number): Batch {
    const { start, count, outWidth, outHeight } = run.plan.batches[number];
    const { ring, depth, set } = this.setup;
    const offset = (number % depth) * set.plan.batch * largestImage(set.plan);
    const indices = [...run.plan.order.subarray(start, start + count)];
    const labels = run.labels.slice(start, start + count) as Float32Array[];
    run.labels.fill(undefined, start, start + count);
    return {
      images: new Uint8Array(ring, offset, count * outWidth * outHeight * 3),
      shape: [count, outHeight, outWidth],
      labels,
      paths: indices.map((i) => set.paths[i]),
      indices,
      original: indices.map((i) => ({ width: set.sizes[2 * i], height: set.sizes[2 * i + 1] })),
    };
  }

  /** Waits until something that is told of the run makes `condition` true; keeps the process alive meanwhile. */
  private async until(run: Run, condition: () => boolean): Promise<void> {
    if (condition()) return;
    for (const channel of this.channels) channel.hold(true);
    while (!condition()) {
      await new Promise<void>((resolve) => {
        run.changed = resolve;
      });
    }
    for (const channel of this.channels) channel.hold(false);
  }

  private over(run: Run): boolean {
    return run.ended >= this.channels.length;
  }

  /** Ends a run (by default the current one): all producers let go of it. */
  private async stop(run = this.current): Promise<void> {
    if (!run || this.over(run)) return;
    Atomics.store(run.control, STOP, 1);
    for (const channel of this.channels) channel.post({ type: 'room', run: run.id, room: 0 });
    await this.until(run, () => this.over(run));
  }

  private receive(message: FromProducer): void {
    const run = this.current;
    if (!run || message.run !== run.id) return;
    if (message.type === 'ended') run.ended++;
    else if (message.type === 'failed') run.error ??= unpackError(message.error);
    else {
      run.labels[message.position] = message.labels;
      run.missing[Math.floor(message.position / this.setup.set.plan.batch)]--;
    }
    run.changed();
  }

  /** Starts the producers, once. */
  private open(): void {
    if (this.channels.length) return;
    if (!this.options.workers) {
      const producer = new Producer(this.setup, (message) => this.receive(message));
      this.channels.push({ post: (m) => producer.receive(m), hold: () => {}, close: async () => {} });
    }
    for (let i = 0; i < this.options.workers; i++) this.channels.push(this.thread());
  }

  private thread(): Channel {
    const worker = new Worker(workerUrl('loader-worker.ts', import.meta.url), { workerData: this.setup });
    worker.on('message', (message: FromProducer) => this.receive(message));
    let gone = false;
    const exit = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        gone = true;
        resolve();
      });
    });
    const lost = (error: Error): void => {
      if (!this.current) return;
      this.current.error ??= new Error(`a thread that prepares images ended: ${error.message}`, { cause: error });
      this.current.ended = this.channels.length;
      this.current.changed();
    };
    worker.on('error', lost);
    worker.on('exit', (code) => (code && !this.closed ? lost(new Error(`exit code ${code}`)) : undefined));
    worker.unref();
    return {
      post: (message) => worker.postMessage(message),
      hold: (on) => (on ? worker.ref() : worker.unref()),
      close: async () => {
        if (gone) return;
        worker.ref();
        worker.postMessage('close');
        await exit;
      },
    };
  }
}
