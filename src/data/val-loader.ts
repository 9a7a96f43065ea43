/**
 * Batches for validation, decoded ahead in worker threads: running the network blocks the JavaScript thread, so the next
 * batch must come from elsewhere. At most AHEAD batches are in memory besides the one in use; the order is fixed.
 */
import { availableParallelism } from 'node:os';
import type { PixelTransform } from '../core/boxes.js';
import { PAD_VALUE } from '../image/letterbox.js';
import type { DatasetImage } from './dataset.js';
import { orderByAspect } from './rect-order.js';
import type { ThreadPool } from './thread-pool.js';
import { type Filled, fillShared, fillSlot, placeForValidation, type SharedSlot, type Slot } from './val-slot.js';
import { Vanished } from './vanished.js';

export interface ValLoaderOptions {
  /** Long side of the images; a multiple of the stride. */
  imgsz: number;
  batch: number;
  /** Images of like aspect share a batch whose shape fits them; else every batch is imgsz x imgsz. Default: true. */
  rect?: boolean;
  /** Default: 32. */
  stride?: number;
  /** Most threads; 0 decodes in this one. Default: as many as help. */
  workers?: number;
  /** A shape that the model insists on, [H, W]; rect is off then. */
  fixedShape?: [height: number, width: number];
}

export interface ValBatch {
  /** [B, H, W, 3] RGB */
  images: Uint8Array;
  shape: [batch: number, height: number, width: number];
  /** Index in the dataset of each image. */
  indices: number[];
  /** Where each image lies. */
  transforms: PixelTransform[];
  /** Why an image could not be decoded, each image. */
  broken: (string | undefined)[];
  /** Milliseconds of decoding and resizing, summed over the images. */
  time: number;
}

export interface ValLoader {
  /** How many batches there are. */
  readonly batches: number;
  [Symbol.asyncIterator](): AsyncIterator<ValBatch>;
  /** Ends the threads; also done when the iteration ends. */
  close(): Promise<void>;
}

interface Plan {
  indices: number[];
  height: number;
  width: number;
}

const AHEAD = 2;
/** More images at a time per thread than one: reading a file and decoding another overlap. */
const IN_FLIGHT = 2;

export function createValLoader(images: readonly DatasetImage[], options: ValLoaderOptions): ValLoader {
  const plans = planBatches(images, options);
  const { workers = Infinity, imgsz } = options;
  const threads = Math.min(workers, Math.max(1, Math.ceil(availableParallelism() / 2)), 8, images.length);
  const pool = threads > 0 ? startPool(threads) : undefined;
  const close = async (): Promise<void> => (await pool)?.close();
  const pending = new Map<number, Promise<ValBatch>>();
  const gone = new Vanished(images.length);
  const ask = (k: number): void => {
    if (k >= plans.length || pending.has(k)) return;
    const batch = makeBatch(images, plans[k], { imgsz, pool, gone });
    batch.catch(() => {}); // told when its turn comes
    pending.set(k, batch);
  };
  for (let k = 0; k < AHEAD; k++) ask(k);
  return {
    batches: plans.length,
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

/** Which images stand together and what shape they get: Ultralytics 8.4, BaseDataset.set_rectangle (rect=True). */
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
    pixels = new Uint8Array(buffer).slice(); // out of shared memory, which native code does not take everywhere
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
