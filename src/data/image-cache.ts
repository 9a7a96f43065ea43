/**
 * A cache of decoded images in shared memory, used by all workers, with a fixed number of slots. Slots in use are
 * pinned. When a new image needs a slot, the unpinned slot is evicted whose image was last used earliest in the order of
 * training. The contents of the cache affect only how often images are decoded, never a result.
 */

/** Maximum size of one memory block, below the limit of typed arrays. */
const BLOCK_BYTES = 1 << 30;
const FREE = 0;
const LOADING = 1;
const READY = 2;
const FAILED = 3;
/** Columns of the slot table. */
const [STATE, OWNER, PINS, LAST_USE] = [0, 1, 2, 3];
const COLUMNS = 4;

/** The shared memory of a cache, which is sent to each worker. */
export interface SharedImages {
  slots: number;
  slotBytes: number;
  blocks: SharedArrayBuffer[];
  /** [slots, 4] state, index of the image, number of pins, last use */
  table: Int32Array;
  /** [N] slot of each image, −1 when it has none. */
  slotOf: Int32Array;
  /** [1] a spin lock: 1 while a worker changes the tables. */
  lock: Int32Array;
}

/** A pinned slot. */
export interface Pin {
  slot: number;
  /** The caller must fill the slot's bytes and then call `loaded`. */
  mustLoad: boolean;
}

/** Allocates a cache. @param images N, number of images @param slotBytes maximum size of a decoded image */
export function shareImages(images: number, slots: number, slotBytes: number): SharedImages {
  const perBlock = Math.max(1, Math.floor(BLOCK_BYTES / slotBytes));
  const blocks: SharedArrayBuffer[] = [];
  for (let left = slots; left > 0; left -= perBlock) {
    blocks.push(new SharedArrayBuffer(Math.min(left, perBlock) * slotBytes));
  }
  const words = (n: number): Int32Array => new Int32Array(new SharedArrayBuffer(n * 4));
  const slotOf = words(images).fill(-1);
  return { slots, slotBytes, blocks, table: words(slots * COLUMNS), slotOf, lock: words(1) };
}

/** Access to a cache from one thread. */
export class ImageCache {
  private readonly views: Uint8Array[];
  private readonly perBlock: number;

  constructor(private readonly shared: SharedImages) {
    this.views = shared.blocks.map((block) => new Uint8Array(block));
    this.perBlock = Math.max(1, Math.floor(BLOCK_BYTES / shared.slotBytes));
  }

  /** @returns a view of a slot's memory, [slotBytes] */
  bytes(slot: number): Uint8Array {
    const start = (slot % this.perBlock) * this.shared.slotBytes;
    return this.views[Math.floor(slot / this.perBlock)].subarray(start, start + this.shared.slotBytes);
  }

  /**
   * Pins the slot of an image; allocates one when it has none.
   * @param use position of this use in the order of training; unpinned slots with the lowest last use are evicted first
   * @throws Error when all slots are pinned: the cache must have more slots than all workers pin at a time
   */
  pin(index: number, use: number): Pin {
    const { table, slotOf } = this.shared;
    return this.locked(() => {
      let slot = slotOf[index];
      // An image that failed to load is tried again at its next use.
      const mustLoad = slot < 0 || table[slot * COLUMNS + STATE] === FAILED;
      if (slot < 0) {
        slot = this.findSlot();
        if (table[slot * COLUMNS + STATE] !== FREE) slotOf[table[slot * COLUMNS + OWNER]] = -1;
        slotOf[index] = slot;
        table[slot * COLUMNS + OWNER] = index;
        table[slot * COLUMNS + PINS] = 0;
        table[slot * COLUMNS + LAST_USE] = use;
      }
      const row = slot * COLUMNS;
      if (mustLoad) Atomics.store(table, row + STATE, LOADING);
      table[row + PINS]++;
      table[row + LAST_USE] = Math.max(table[row + LAST_USE], use);
      return { slot, mustLoad };
    });
  }

  /** Releases one pin of a slot. */
  unpin(slot: number): void {
    this.locked(() => this.shared.table[slot * COLUMNS + PINS]--);
  }

  /** Marks a slot as loaded or failed. */
  loaded(slot: number, good: boolean): void {
    Atomics.store(this.shared.table, slot * COLUMNS + STATE, good ? READY : FAILED);
  }

  /** Waits for an image that another worker is loading. @returns false when loading failed */
  async ready(slot: number): Promise<boolean> {
    for (;;) {
      const state = Atomics.load(this.shared.table, slot * COLUMNS + STATE);
      if (state !== LOADING) return state === READY;
      await new Promise((next) => setTimeout(next, 1));
    }
  }

  /** A free slot, else the unpinned one with the lowest last use. */
  private findSlot(): number {
    const { table, slots } = this.shared;
    let best = -1;
    for (let slot = 0, row = 0; slot < slots; slot++, row += COLUMNS) {
      if (table[row + STATE] === FREE) return slot;
      if (table[row + PINS] > 0) continue;
      if (best < 0 || table[row + LAST_USE] < table[best * COLUMNS + LAST_USE]) best = slot;
    }
    if (best < 0) throw new Error(`all ${slots} image slots are pinned`);
    return best;
  }

  private locked<T>(work: () => T): T {
    const { lock } = this.shared;
    for (let tries = 0; Atomics.compareExchange(lock, 0, 0, 1) !== 0; tries++) {
      if (tries > 100) Atomics.wait(lock, 0, 1, 1);
    }
    try {
      return work();
    } finally {
      Atomics.store(lock, 0, 0);
      Atomics.notify(lock, 0, 1);
    }
  }
}
