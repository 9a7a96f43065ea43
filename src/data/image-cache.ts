/**
 * Decoded images, shared by all workers: a fixed number of slots in shared memory. A slot in use is pinned; when a new
 * image needs one, the unpinned slot goes whose image stands earliest in the order of training. Memory is bounded,
 * and what the slots hold never changes a result, only how often images are decoded.
 */

/** Slots of one memory block, so that no block comes near the limits of a typed array. */
const BLOCK_BYTES = 1 << 30;
const FREE = 0;
const LOADING = 1;
const READY = 2;
const FAILED = 3;
/** Columns of the slot table. */
const [STATE, OWNER, PINS, PLACE] = [0, 1, 2, 3];
const COLUMNS = 4;

/** Everything of a cache, as it is sent to a worker. */
export interface SharedImages {
  slots: number;
  slotBytes: number;
  blocks: SharedArrayBuffer[];
  /** [slots, 4] state, owner, pins, place */
  table: Int32Array;
  /** [N] slot of an image, −1 when it has none. */
  slotOf: Int32Array;
  /** One word: 1 while somebody changes the tables. */
  lock: Int32Array;
}

/** A pinned slot; `mustLoad`: its bytes are the caller's to fill, then `loaded` is to be called. */
export interface Pin {
  slot: number;
  mustLoad: boolean;
}

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

export class ImageCache {
  private readonly views: Uint8Array[];
  private readonly perBlock: number;

  constructor(private readonly shared: SharedImages) {
    this.views = shared.blocks.map((block) => new Uint8Array(block));
    this.perBlock = Math.max(1, Math.floor(BLOCK_BYTES / shared.slotBytes));
  }

  /** The bytes of a slot, `slotBytes` of them. */
  bytes(slot: number): Uint8Array {
    const start = (slot % this.perBlock) * this.shared.slotBytes;
    return this.views[Math.floor(slot / this.perBlock)].subarray(start, start + this.shared.slotBytes);
  }

  /**
   * Pins an image's slot.
   * @param place how far on in training the image stands; of what is not pinned the lowest goes first
   * @throws when all slots are pinned: there have to be more than all workers together pin at a time
   */
  pin(index: number, place: number): Pin {
    const { table, slotOf } = this.shared;
    return this.locked(() => {
      let slot = slotOf[index];
      // An image that could not be loaded is tried again by the next who asks.
      const mustLoad = slot < 0 || table[slot * COLUMNS + STATE] === FAILED;
      if (slot < 0) {
        slot = this.victim();
        if (table[slot * COLUMNS + STATE] !== FREE) slotOf[table[slot * COLUMNS + OWNER]] = -1;
        slotOf[index] = slot;
        table[slot * COLUMNS + OWNER] = index;
        table[slot * COLUMNS + PINS] = 0;
        table[slot * COLUMNS + PLACE] = place;
      }
      const row = slot * COLUMNS;
      if (mustLoad) Atomics.store(table, row + STATE, LOADING);
      table[row + PINS]++;
      table[row + PLACE] = Math.max(table[row + PLACE], place);
      return { slot, mustLoad };
    });
  }

  unpin(slot: number): void {
    this.locked(() => this.shared.table[slot * COLUMNS + PINS]--);
  }

  /** Says that a slot's bytes are there, or that they could not be had. */
  loaded(slot: number, good: boolean): void {
    Atomics.store(this.shared.table, slot * COLUMNS + STATE, good ? READY : FAILED);
  }

  /** Waits for an image that another worker loads. @returns false when that failed */
  async ready(slot: number): Promise<boolean> {
    for (;;) {
      const state = Atomics.load(this.shared.table, slot * COLUMNS + STATE);
      if (state !== LOADING) return state === READY;
      await new Promise((next) => setTimeout(next, 1));
    }
  }

  private victim(): number {
    const { table, slots } = this.shared;
    let best = -1;
    for (let slot = 0, row = 0; slot < slots; slot++, row += COLUMNS) {
      if (table[row + STATE] === FREE) return slot;
      if (table[row + PINS] > 0) continue;
      if (best < 0 || table[row + PLACE] < table[best * COLUMNS + PLACE]) best = slot;
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
