/**
 * A training run on several workers, which are processes on one or several machines: TensorFlow's servers, collective
 * operations in the step. All workers run the same program on the same data; the first one writes files and prints.
 */
import { lookup } from 'node:dns/promises';
import { UserError } from '../../../core/errors.js';
import { log } from '../../../core/log.js';
import type { Part } from '../../../data/epoch-plan.js';
import { startServer } from '../../../graph/server.js';
import { Exchange } from './exchange.js';
import { lostWorker } from './lost.js';
import type { Members } from './members.js';
import { ClusterStep } from './step.js';

/** Between two attempts to resolve a name. */
const RETRY_MS = 1000;

/** What the workers tell each other with each batch; numbers are added up. */
export interface Told {
  /** Workers that were asked to stop. */
  stop: number;
  /** Seconds that the run has taken, by the clock of the first worker. */
  seconds: number;
  /** Objects in the batch. */
  instances: number;
}

export interface ClusterOptions {
  /** Seconds that a worker waits for the others. */
  timeout: number;
  /** Listen on all addresses of this machine. */
  insecure: boolean;
  /** BatchNorm has the statistics of the whole batch, not of each worker's part. */
  syncBn: boolean;
}

/** The run's other workers. */
export class Cluster {
  readonly index: number;
  readonly size: number;
  /** Whether this worker writes files and prints. */
  readonly first: boolean;
  /** The images of each batch that this worker prepares and computes. */
  readonly part: Part;

  private constructor(
    readonly members: Members,
    readonly step: ClusterStep,
    private readonly exchange: Exchange,
  ) {
    this.index = members.index;
    this.size = members.addresses.length;
    this.first = members.index === 0;
    this.part = { index: this.index, of: this.size };
  }

  /**
   * Starts the server of this worker. Does not wait for the others.
   * @throws UserError 'cannot-listen', 'cannot-restrict'
   */
  static async join(members: Members, { timeout, insecure, syncBn }: ClusterOptions): Promise<Cluster> {
    const address = members.addresses[members.index];
    const listen = insecure ? undefined : await addressOf(address, timeout);
    const session = start(members, listen);
    if (!session) {
      throw new UserError(
        'cannot-restrict',
        `the server of this worker can't be kept to the address ${address} on this system`,
        'insecure=true lets it accept connections on all addresses of the machine; whoever can reach it can run any program: only in a network that is closed to others',
        1,
      );
    }
    const where = insecure ? 'all addresses of this machine' : address;
    log.info(`Worker ${members.index} of ${members.addresses.length}, listens on ${where}`);
    const workers = { size: members.addresses.length, index: members.index, timeout };
    return new Cluster(members, new ClusterStep(session, workers, members, syncBn), new Exchange(session, workers));
  }

  /** @returns the value that each worker gave, in their order; values are JSON @throws UserError 'worker-lost' */
  async gather<T>(value: T): Promise<T[]> {
    const all = await this.gatherBytes(new TextEncoder().encode(JSON.stringify(value ?? null)));
    return all.map((bytes) => JSON.parse(new TextDecoder().decode(bytes)) as T);
  }

  /** @returns the bytes that each worker gave, in their order @throws UserError 'worker-lost' */
  gatherBytes(bytes: Uint8Array): Promise<Uint8Array[]> {
    return this.exchange.gather(bytes).catch((error) => {
      throw lostWorker(error, this.members);
    });
  }

  /** @param value of the first worker, JSON; those of others are ignored @returns it @throws UserError 'worker-lost' */
  async fromFirst<T>(value: T | undefined): Promise<T> {
    const [given] = await this.gather(this.first ? value : null);
    return (this.first ? value : given) as T;
  }

  close(): void {
    this.exchange.close();
  }
}

function start(members: Members, listen: string | undefined): ReturnType<typeof startServer> {
  try {
    return startServer(members, { listen });
  } catch (error) {
    throw new UserError(
      'cannot-listen',
      `worker ${members.index} can't listen on ${members.addresses[members.index]}: ${(error as Error).message}`,
      'the port may be in use, or the address may belong to another machine',
      1,
    );
  }
}

/** The IPv4 address of host:port; a name may become known only after the start of its machine. @param timeout seconds */
async function addressOf(hostPort: string, timeout: number): Promise<string> {
  const host = hostPort.slice(0, hostPort.lastIndexOf(':'));
  const end = performance.now() + timeout * 1000;
  for (;;) {
    try {
      return (await lookup(host, { family: 4 })).address;
    } catch {
      if (performance.now() > end) break;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
  throw new UserError(
    'cannot-listen',
    `the name ${host} of this worker in TF_CONFIG has no IPv4 address here`,
    'give addresses that each machine can resolve',
    1,
  );
}
