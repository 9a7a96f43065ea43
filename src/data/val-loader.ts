/**
 * Batches for validation, prefetched by worker threads, because the network may block the JavaScript thread. At most AHEAD
 * batches are in memory besides the one in use; the order is fixed.
 */
import { availableParallelism } from 'node:os';
import type { PixelTransform } from '../core/boxes.js';
import { type Shard, unitsOf } from '../core/shard.js';
import { PAD_VALUE } from '../image/letterbox.js';
import type { DatasetImage } from './dataset.js';
import { orderByAspect } from './rect-order.js';
import type { ThreadPool } from './thread-pool.js';
import { type Filled, fillShared, fillSlot, placeForValidation, type SharedSlot, type Slot } from './val-slot.js';
import { Vanished } from './vanished.js';

/** Options of the validation loader. */
export interface ValLoaderOptions {
  /** Long side of the images, pixels; a multiple of the stride. */
  imgsz: number;
  batch: number;
  /** Rectangular batches: images of similar aspect ratio with little padding; else imgsz x imgsz. Default: true. */
  rect?: boolean;
  /** Default: 32. */
  stride?: number;
  /** Maximum number of threads; 0: decodes in this thread. Default: half the processors, at most 8. */
  workers?: number;
  /** [H, W] of a model with a fixed input shape; rect is then ignored. */
  fixedShape?: [height: number, width: number];
  /** Only the batches of this shard; they are those that one process has. Default: all. */
  shard?: Shard;
}

/** A batch for validation. */
export interface ValBatch {
  /** [B, H, W, 3] RGB */
  images: Uint8Array;
  shape: [batch: number, height: number, width: number];
  /** Index in the dataset of each image. */
  indices: number[];
  /** Maps pixels of each image file to pixels of the network's input. */
  transforms: PixelTransform[];
  /** For each image the reason why it could not be decoded, or undefined. */
  broken: (string | undefined)[];
  /** Milliseconds of decoding and resizing, summed over the images. */
  time: number;
}

/** Loads batches for validation. */
export interface ValLoader {
  /** Number of batches. */
  readonly batches: number;
  /** Number of images in them. */
  readonly images: number;
  [Symbol.asyncIterator](): AsyncIterator<ValBatch>;
  /** Ends the threads; also called when the iteration ends. */
  close(): Promise<void>;
}

interface Plan {
  indices: number[];
  height: number;
  width: number;
}

const AHEAD = 2;
/** Images that a thread processes concurrently: reading one file and decoding another overlap. */
const IN_FLIGHT = 2;

/**
 * Creates a loader and starts the preparation of its first batches.
 * @throws UserError from the iterator: 'images-gone' when many images can no longer be read
 */
export function createValLoader(images: readonly DatasetImage[], options: ValLoaderOptions): ValLoader {
  const all = planBatches(images, options);
  const { workers = Infinity, imgsz, shard } = options;
  const { from, to } = unitsOf(all.length, shard);
  const plans = all.slice(from, to);
  const count = plans.reduce((sum, { indices }) => sum + indices.length, 0);
  const threads = Math.min(workers, Math.max(1, Math.ceil(availableParallelism() / 2)), 8, count);
  const pool = threads > 0 ? startPool(threads) : undefined;
  const close = async (): Promise<void> => (await pool)?.close();
  const pending = new Map<number, Promise<ValBatch>>();
  const gone = new Vanished(images.length);
  const ask = (k: number): void => {
    if (k >= plans.length || pending.has(k)) return;
    const batch = makeBatch(images, plans[k], { imgsz, pool, gone });
    batch.catch(() => {}); // an error is thrown when the batch is awaited, and is not an unhandled rejection until then
    pending.set(k, batch);
  };
  for (let k = 0; k < AHEAD; k++) ask(k);
  return {
    batches: plans.length,
    images: count,
    async *[Symbol.asyncIterator]() {
      try {
        for (let k = 0; k < plans.length; k++) {
          for (let j = k; j <= k + AHEAD; j++) ask(j);
          const batch = await pending.get(k)!;
          pending.delete(k);
          yield batch;
        }
      } finally {
        await close();
      }
    },
    close,
  };
}

/** Images and shape of each batch: Ultralytics 8.4, BaseDataset.set_rectangle (rect=True). @param images sizes in pixels */
export function planBatches(images: readonly { width: number; height: number }[], options: ValLoaderOptions): Plan[] {
  const { imgsz, batch, rect = true, stride = 32, fixedShape } = options;
  const aspect = (i: number): number => images[i].height / images[i].width;
  const shaped = rect && !fixedShape;
  const order = shaped ? orderByAspect(images.map((_, i) => aspect(i))) : [...images.keys()];
  const plans: Plan[] = [];
  for (let at = 0; at < order.length; at += batch) {
    const indices = order.slice(at, at + batch);
    const [height, width] = shaped ? rectShape(indices.map(aspect), imgsz, stride) : (fixedShape ?? [imgsz, imgsz]);
    plans.push({ indices, height, width });
  }
  return plans;
}

function rectShape(aspects: number[], imgsz: number, stride: number): [height: number, width: number] {
  const [least, most] = [Math.min(...aspects), Math.max(...aspects)];
  const part = most < 1 ? [most, 1] : least > 1 ? [1, 1 / least] : [1, 1];
  const [height, width] = part.map((side) => Math.ceil((side * imgsz) / stride + 0.5) * stride);
  return [height, width];
}

async function makeBatch(
  images: readonly DatasetImage[],
  { indices, height, width }: Plan,
  { imgsz, pool, gone }: { imgsz: number; pool?: Pool; gone: Vanished },
): Promise<ValBatch> {
  const one = height * width * 3;
  const slots = indices.map((i, k): Slot => ({ path: images[i].path, imgsz, height, width, start: k * one }));
  let pixels: Uint8Array;
  let filled: Filled[];
  if (pool) {
    const { run } = await pool;
    const buffer = new SharedArrayBuffer(indices.length * one);
    filled = await Promise.all(slots.map((slot) => run({ slot, buffer })));
    pixels = new Uint8Array(buffer).slice(); // a copy: not all native code accepts shared memory
  } else {
    pixels = new Uint8Array(indices.length * one);
    filled = [];
    for (const slot of slots) filled.push(await fillSlot(slot, pixels));
  }
  filled.forEach(({ broken, unreadable }, k) => {
    if (broken && unreadable) gone.add(slots[k].path, broken);
    if (broken) pixels.fill(PAD_VALUE, k * one, (k + 1) * one);
  });
  return {
    images: pixels,
    shape: [indices.length, height, width],
    indices,
    transforms: indices.map((i) => {
      const { at } = placeForValidation(images[i], { imgsz, height, width });
      const { innerWidth, innerHeight, padX, padY } = at;
      return { ratioX: innerWidth / images[i].width, ratioY: innerHeight / images[i].height, padX, padY };
    }),
    broken: filled.map(({ broken }) => broken),
    time: filled.reduce((sum, { time }) => sum + time, 0),
  };
}

type Pool = ReturnType<typeof startPool>;

async function startPool(threads: number): Promise<ThreadPool<SharedSlot, Filled>> {
  const { startThreads } = await import('./thread-pool.js');
  return startThreads('val-worker.js', { threads, inFlight: IN_FLIGHT }, fillShared);
}
