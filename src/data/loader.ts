/**
 * Training batches: shuffled, augmented, prefetched by worker threads. The contents of a batch are a function of seed,
 * epoch, image and settings; they do not depend on the number of workers, on earlier batches or on where an epoch was
 * resumed. Memory is bounded: DEPTH batches and a cache of decoded images (cache-plan.ts). The threads are not those of
 * thread-pool.ts, because each keeps a state: it takes the images of an epoch from a shared counter.
 */
import { Worker } from 'node:worker_threads';
import { workerUrl } from '../core/worker-url.js';
import type { Batch } from './batch.js';
import { type EpochPlan, largestImage, partSize, planEpoch } from './epoch-plan.js';
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

/** Batches in memory: one in use by training, two in preparation. */
const DEPTH = 3;

/** Options of an epoch. */
export interface EpochOptions {
  /** False disables mosaic, mixup and cutmix. Default: true. */
  mosaic?: boolean;
  /** First batch, to resume within an epoch. Default: 0. */
  startBatch?: number;
}

/** Loads batches for training. */
export interface TrainLoader {
  /** Number of images. */
  readonly images: number;
  /** Number of batches in an epoch; the last one may be partial. */
  readonly batches: number;
  /** Starts an epoch and the preparation of its first batches; ends the epoch before it. */
  epoch(epoch: number, options?: EpochOptions): AsyncGenerator<Batch, void, void>;
  /** Ends the threads. */
  close(): Promise<void>;
}

/**
 * Creates a loader; the threads start with the first epoch.
 * @throws UserError 'no-images' without images; the iterator of an epoch throws when an image cannot be decoded
 */
export function createTrainLoader(options: TrainLoaderOptions): TrainLoader {
  return new Loader(options);
}

/** Connection to a producer in this thread or a worker. */
interface Channel {
  post(message: ToProducer): void;
  /** Whether it keeps the process alive. */
  hold(on: boolean): void;
  close(): Promise<void>;
}

/** The state of an epoch. */
interface Run {
  id: number;
  plan: EpochPlan;
  control: Int32Array;
  /** Labels by position; undefined until the image is done. */
  labels: (Float32Array | undefined)[];
  /** Number of images of each batch that are not done. */
  missing: number[];
  /** Number of producers that have ended the epoch. */
  ended: number;
  error?: Error;
  /** Called after each change of this state. */
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
    const ring = new SharedArrayBuffer(depth * Math.min(partSize(set.plan), this.images) * largestImage(set.plan));
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
    control[NEXT] = startBatch * partSize(set.plan);
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
        if (!made()) throw new Error('this epoch was ended by the start of another one');
        yield this.batch(run, number);
        const room = number + 1 + this.setup.depth;
        for (const channel of this.channels) channel.post({ type: 'room', run: run.id, room });
      }
    } finally {
      await this.stop(run);
    }
  }

  private batch(run: Run, number: number): Batch {
    const { start, count, whole, idle, outWidth, outHeight } = run.plan.batches[number];
    const { ring, depth, set } = this.setup;
    const offset = (number % depth) * partSize(set.plan) * largestImage(set.plan);
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
      whole,
      idle,
    };
  }

  /** Waits until a change of the run's state makes `condition` true; keeps the process alive meanwhile. */
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

  /** Ends a run (by default the current one) and waits until all producers have ended it. */
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
      this.current.error ??= new Error(`a data loader thread ended unexpectedly: ${error.message}`, { cause: error });
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
