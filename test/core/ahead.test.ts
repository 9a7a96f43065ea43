import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { mapAhead } from '../../src/core/ahead.js';

async function* count(n: number, log: string[] = []): AsyncGenerator<number> {
  for (let i = 0; i < n; i++) {
    log.push(`item ${i}`);
    yield i;
  }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
}

describe('mapAhead', () => {
  it.each([1, 2, 5, 50])('%i at a time: every result, in order, never more at work', async (n) => {
    let atWork = 0;
    let most = 0;
    const results = mapAhead(count(20), n, async (i) => {
      most = Math.max(most, ++atWork);
      await wait(i % 3);
      atWork--;
      return i * i;
    });
    expect(await all(results)).toEqual(Array.from({ length: 20 }, (_, i) => i * i));
    expect(most).toBeLessThanOrEqual(n);
    if (n > 2) expect(most).toBeGreaterThan(1);
  });

  it('a result does not wait for the next item', async () => {
    async function* one(): AsyncGenerator<number> {
      yield 1;
      await new Promise(() => {}); // a camera that sends nothing more
    }
    expect((await mapAhead(one(), 2, async (i) => i).next()).value).toBe(1);
  });

  it('an error comes after the results before it, whether of an item or of the work', async () => {
    async function* broken(): AsyncGenerator<number> {
      yield* count(2);
      throw new Error('no more');
    }
    for (const failing of [
      mapAhead(broken(), 3, async (i) => i),
      mapAhead(count(9), 3, async (i) => (i < 2 ? i : Promise.reject(new Error('no more')))),
    ]) {
      const seen: number[] = [];
      const run = async () => {
        for await (const i of failing) seen.push(i);
      };
      await expect(run()).rejects.toThrow('no more');
      expect(seen).toEqual([0, 1]);
    }
  });

  it('who stops early lets go of the items', async () => {
    const log: string[] = [];
    async function* items(): AsyncGenerator<number> {
      try {
        yield* count(100, log);
      } finally {
        log.push('closed');
      }
    }
    for await (const i of mapAhead(items(), 2, async (i) => i)) if (i === 1) break;
    await wait(5);
    expect(log.at(-1)).toBe('closed');
    expect(log.length).toBeLessThan(7);
  });
});
