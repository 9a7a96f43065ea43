import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { startThreads } from '../../src/data/thread-pool.js';
import { tmpDir } from '../helpers/tmp.js';

/** A worker module with this text. */
function workerOf(text: string): string {
  const file = join(tmpDir(), 'worker.mjs');
  writeFileSync(file, text);
  return pathToFileURL(file).href;
}
const inputs = Array.from({ length: 20 }, (_, i) => i);
const here = async (n: number): Promise<[number, string]> => [n, 'here'];
const THERE = `export default async (n) => {
  if (n % 7 === 3) await new Promise(() => setImmediate(() => { throw new Error('this thread dies'); }));
  return [n, 'there'];
};`;

describe('startThreads', () => {
  it.each([1, 2])('what a thread that dies leaves undone is done here, %i at a time', async (inFlight) => {
    const pool = startThreads(workerOf(THERE), { threads: 2, inFlight }, here);
    const done = await Promise.all(inputs.map((n) => pool.run(n)));
    await pool.close();
    expect(done.map(([n]) => n)).toEqual(inputs);
    for (const [n, where] of done) if (n % 7 === 3) expect(where).toBe('here');
    expect(done.filter(([, where]) => where === 'there').length).toBeGreaterThan(0);
  });

  it.each([
    ['is not there', () => pathToFileURL(join(tmpDir(), 'nothing.mjs')).href],
    ['cannot be loaded', () => workerOf('throw new Error("no");')],
  ])('all is done here when the code of the threads %s', async (_, worker) => {
    const pool = startThreads(worker(), { threads: 2 }, here);
    for (const part of [inputs.slice(0, 10), inputs.slice(10)])
      expect(await Promise.all(part.map((n) => pool.run(n)))).toEqual(part.map((n) => [n, 'here']));
    await pool.close();
  });

  it('closing does not fail when a thread fails meanwhile', async () => {
    // Whether one does is a matter of timing: about one attempt in thirty.
    for (let attempt = 0; attempt < 50; attempt++) {
      const pool = startThreads(workerOf('throw new Error("no");'), { threads: 2 }, here);
      await Promise.all(inputs.map((n) => pool.run(n)));
      await pool.close();
    }
  });

  it('closing ends what is unfinished, and twice is once', async () => {
    const pool = startThreads(workerOf('export default () => new Promise(() => {});'), { threads: 1 }, here);
    const waiting = inputs.map((n) => expect(pool.run(n)).rejects.toThrow());
    await Promise.all([pool.close(), pool.close(), ...waiting]);
  });
});
