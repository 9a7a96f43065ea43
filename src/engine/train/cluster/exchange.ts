/** Bytes that the workers send to each other between the steps: what they agree on, and what their validations found. */
import { gatherInts, sumInts, type Workers } from '../../../graph/collectives.js';
import { valuesOf } from '../../../graph/host-tensor.js';
import { type Plan, Session } from '../../../graph/session.js';
import { type SessionConfig, workerName } from '../../../graph/session-config.js';

/** Bytes of each worker in one round, for short messages and for long ones. */
const ROUNDS = [4096, 2 ** 20];
/** Seconds after which an operation that has its own limit should have ended. */
const MARGIN = 2;
/** Instance keys; those of the step follow. */
const LENGTHS_KEY = 1;
const ROUND_KEY = 2;

/** All workers call the same methods in the same order; each call waits for all others. */
export class Exchange {
  private readonly session: Session;
  private readonly lengths: Plan;
  private readonly rounds: Plan[];

  constructor(
    options: SessionConfig & { target: string },
    private readonly workers: Workers,
  ) {
    this.session = Session.open(options);
    this.session.add(sumInts('own', 'sum', workers.size, workers, LENGTHS_KEY), { prefix: 'lengths' });
    this.lengths = this.session.plan({ name: 'the exchange', feeds: ['lengths/own'], fetches: ['lengths/sum'] });
    this.rounds = ROUNDS.map((bytes, i) => {
      const prefix = `round${i}`;
      this.session.add(gatherInts('own', 'all', bytes / 4, workers, ROUND_KEY + i), { prefix });
      return this.session.plan({ name: 'the exchange', feeds: [`${prefix}/own`], fetches: [`${prefix}/all`] });
    });
  }

  /** @returns the bytes that each worker gave */
  async gather(bytes: Uint8Array): Promise<Uint8Array[]> {
    const { size, index } = this.workers;
    const own = new Int32Array(size);
    own[index] = bytes.length;
    const [sums] = await this.inTime(this.lengths.runAsync([{ dtype: 'int32', shape: [size], data: own }]));
    const lengths = valuesOf(sums, 'int32');
    const all = Array.from(lengths, (length) => new Uint8Array(length));
    const longest = Math.max(...lengths);
    const kind = longest > ROUNDS[0] ? 1 : 0;
    for (let at = 0; at < longest; at += ROUNDS[kind]) {
      const data = new Int32Array(ROUNDS[kind] / 4);
      new Uint8Array(data.buffer).set(bytes.subarray(at, at + ROUNDS[kind]));
      const [gathered] = await this.rounds[kind].runAsync([{ dtype: 'int32', shape: [1, data.length], data }]);
      const { buffer, byteOffset } = valuesOf(gathered, 'int32');
      all.forEach((whole, worker) => {
        const count = Math.min(ROUNDS[kind], whole.length - at);
        if (count > 0) whole.set(new Uint8Array(buffer, byteOffset + worker * ROUNDS[kind], count), at);
      });
    }
    return all;
  }

  /** While the first worker cannot be reached, TensorFlow tries again without end, whatever the operation's own limit. */
  private async inTime<T>(work: Promise<T>): Promise<T> {
    const { timeout, index } = this.workers;
    if (index === 0) return work;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = Object.assign(new Error(workerName(0)), { code: 'DEADLINE_EXCEEDED' });
      timer = setTimeout(() => reject(error), (timeout + MARGIN) * 1000);
    });
    return Promise.race([work, late]).finally(() => clearTimeout(timer));
  }

  close(): void {
    this.session.close();
  }
}
