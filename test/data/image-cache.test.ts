import { afterEach, describe, expect, it } from 'vitest';
import { log } from '../../src/core/log.js';
import { rng } from '../../src/core/rng.js';
import { planCache } from '../../src/data/cache-plan.js';
import { partnerWindow, planEpoch } from '../../src/data/epoch-plan.js';
import { ImageCache, shareImages } from '../../src/data/image-cache.js';
import { tmpDir } from '../helpers/tmp.js';

const said: string[] = [];
const before = log.setSink({ write: (level, text) => said.push(`${level} ${text}`) });
afterEach(() => said.splice(0));

const sizes = (n: number, width: number, height: number): Int32Array =>
  Int32Array.from({ length: 2 * n }, (_, i) => (i % 2 ? height : width));

describe('decoded images', () => {
  it('an epoch with mosaic decodes each image about once in a cache that holds a fraction of them', () => {
    const [n, slots, window] = [1500, 160, 128];
    const plan = { imgsz: 32, batch: 16, seed: 1, rect: false, multiScale: 0 };
    const cache = new ImageCache(shareImages(n, slots, 8));
    for (const epoch of [0, 1]) {
      const { order, positionOf } = planEpoch(plan, sizes(n, 32, 32), epoch);
      let loads = 0;
      for (let position = 0; position < n; position++) {
        const random = rng(1, epoch, position);
        const [first, count] = partnerWindow(position, n, window);
        const wanted = [order[position], ...[0, 1, 2].map(() => order[first + random.int(count)])];
        const pins = wanted.map((i) => cache.pin(i, epoch * n + positionOf[i]));
        for (const { slot, mustLoad } of pins) {
          if (!mustLoad) continue;
          loads++;
          cache.loaded(slot, true);
        }
        for (const { slot } of pins) cache.unpin(slot);
      }
      expect(loads).toBeLessThan(1.05 * n);
    }
  });

  it('a slot in use is never given away, and what all hold at a time has to fit', () => {
    const cache = new ImageCache(shareImages(9, 2, 8));
    const a = cache.pin(3, 0);
    cache.pin(4, 1);
    expect(() => cache.pin(5, 2)).toThrow(/pinned/);
    cache.unpin(a.slot);
    expect(cache.pin(5, 2)).toEqual({ slot: a.slot, mustLoad: true });
    expect(() => cache.pin(3, 3)).toThrow(/pinned/);
  });

  it('an image that could not be loaded is tried again by the next who asks', () => {
    const cache = new ImageCache(shareImages(2, 2, 8));
    const { slot } = cache.pin(1, 0);
    cache.loaded(slot, false);
    cache.unpin(slot);
    expect(cache.pin(1, 0)).toEqual({ slot, mustLoad: true });
  });

  it('partners come from within reach: the latest positions, at the start the first ones', () => {
    expect(partnerWindow(0, 100, 10)).toEqual([0, 10]);
    expect(partnerWindow(50, 100, 10)).toEqual([41, 10]);
    expect(partnerWindow(99, 100, 10)).toEqual([90, 10]);
    expect(partnerWindow(3, 5, 10)).toEqual([0, 5]);
  });
});

describe('the plan for the cache', () => {
  const request = { imgsz: 640, batch: 16, pinned: 8, cache: false as const };

  it('bounds memory whatever the dataset, and the window does not depend on the workers', () => {
    const plan = planCache({ ...request, sizes: sizes(118_000, 640, 480) });
    expect(plan.slotBytes).toBe(640 * 480 * 3);
    expect(plan.slots * plan.slotBytes).toBeLessThan(280e6);
    expect(plan.window).toBe(128);
    expect(planCache({ ...request, pinned: 200, sizes: sizes(118_000, 640, 480) }).window).toBe(plan.window);
    const large = planCache({ ...request, imgsz: 1920, sizes: sizes(5000, 1000, 1000) });
    expect(large.slots).toBeGreaterThanOrEqual(large.window + request.pinned);
    expect(planCache({ ...request, sizes: sizes(20, 500, 375) })).toMatchObject({ slots: 20, window: 20 });
  });

  it('cache=ram holds all images when they fit, and says so when they do not', () => {
    expect(planCache({ ...request, cache: 'ram', sizes: sizes(400, 640, 480) }).slots).toBe(400);
    expect(said.splice(0).join()).toMatch(/^info cache=ram: 400 images, 0\.4 GB/);
    const bounded = planCache({ ...request, cache: 'ram', imgsz: 1920, sizes: sizes(3_000_000, 640, 640) });
    expect(bounded.slots * bounded.slotBytes).toBeLessThan(500e6);
    expect(said.join()).toMatch(/^warn cache=ram: 3000000 images need 33177\.6 GB of memory/);
  });

  it('cache=disk without the room decodes anew, and says so', () => {
    process.env.YOLO_CACHE = tmpDir();
    expect(planCache({ ...request, cache: 'disk', sizes: sizes(10, 64, 64) }).diskFolder).toContain('images');
    expect(
      planCache({ ...request, cache: 'disk', imgsz: 1920, sizes: sizes(3_000_000, 640, 640) }).diskFolder,
    ).toBeUndefined();
    expect(said.join()).toMatch(/warn cache=disk: .* of disk space/);
    log.setSink(before);
  });
});
