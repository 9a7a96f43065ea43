/**
 * `yolo train processes=n`: starts n workers on this machine, each by the same command with a TF_CONFIG of its own, and waits
 * for them. When one of them is lost, all are started again from the last checkpoint. The first worker has the terminal; of
 * the others only the last words are kept, for the case that they fail.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { basename, dirname } from 'node:path';
import { wasGiven } from '../cfg/load.js';
import type { TrainConfig } from '../cfg/schema.js';
import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';

/** Messages of a worker to its launcher. */
export type FromWorker =
  /** The run has begun; only of the first worker. */
  | { type: 'started'; dir: string; last: string }
  /** Another worker is lost. */
  | { type: 'lost'; message: string };

/** Set in the environment of workers that have a launcher. */
export const LAUNCHED = 'YOLO_LAUNCHED';

const HOST = '127.0.0.1';
/** Time for the other workers to end, and to save the run, after one has failed. */
const GRACE_MS = 15_000;
/** Of the output of a worker that is not the first. */
const KEPT_CHARACTERS = 4000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** A worker that has ended. */
interface Ended {
  index: number;
  code: number | null;
  /** That ended it, if it was not the launcher's. */
  signal: NodeJS.Signals | null;
  /** It did not end by itself in time. */
  stalled: boolean;
  /** What it said of the loss of another. */
  lost?: string;
  output: string;
}

/** Where a run stands that may be started again. */
interface Place {
  dir: string;
  last: string;
}

/**
 * @returns the exit code
 * @throws UserError 'worker-lost' when workers are lost more than `restarts` times
 */
export async function launch(config: TrainConfig): Promise<number> {
  const { processes, restarts } = config;
  let place: Place | undefined;
  for (let restart = 0; ; restart++) {
    const args = [...process.argv.slice(2), ...threadsFor(config), ...(restart > 0 ? continued(place) : [])];
    const group = new Group(await addressesFor(processes), args);
    const ended = await group.end();
    place = group.place ?? place;
    const failed = ownFailure(ended);
    if (failed && failed.index > 0) process.stderr.write(failed.output);
    if (group.stopping || failed) return (failed ?? ended[0]).code ?? 1;
    const message = lossOf(ended);
    if (message === undefined) return 0;
    if (restart === restarts) {
      const hint = place && existsSync(place.last) ? `go on with: yolo train resume=${place.last}` : undefined;
      throw new UserError('worker-lost', `${message}; the workers were started again ${restarts} times`, hint, 1);
    }
    log.warn(`${message}; starting all again (${restart + 1} of ${restarts})`);
  }
}

/** The workers of one attempt. */
class Group {
  place?: Place;
  stopping = false;
  private readonly children: ChildProcess[];

  constructor(addresses: readonly string[], args: readonly string[]) {
    this.children = addresses.map((_, index) => startWorker(addresses, index, args));
  }

  /** Waits until all workers have ended. */
  async end(): Promise<Ended[]> {
    const forward = (signal: NodeJS.Signals): void => {
      this.stopping = true;
      // On Windows the console signals all of its processes, and `kill` would end them at once.
      if (process.platform !== 'win32') for (const child of this.children) child.kill(signal);
    };
    // In this order: without any listener a signal would end this process, and not the workers.
    const before = SIGNALS.map((signal) => process.listeners(signal));
    for (const signal of SIGNALS) process.on(signal, forward);
    SIGNALS.forEach((signal, i) => {
      for (const listener of before[i]) process.removeListener(signal, listener as () => void);
    });
    try {
      return await Promise.all(this.children.map((child, index) => this.watch(child, index)));
    } finally {
      SIGNALS.forEach((signal, i) => {
        for (const listener of before[i]) process.on(signal, listener as () => void);
        process.removeListener(signal, forward);
      });
    }
  }

  private watch(child: ChildProcess, index: number): Promise<Ended> {
    const ended: Ended = { index, code: null, signal: null, stalled: false, output: '' };
    child.on('message', (message: FromWorker) => {
      if (message.type === 'started') this.place = message;
      else ended.lost = message.message;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      ended.output = (ended.output + text).slice(-KEPT_CHARACTERS);
    });
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        if (code !== 0) this.endOthers();
        resolve(Object.assign(ended, { code, signal, stalled: this.killed.has(child) }));
      });
    });
  }

  private readonly killed = new Set<ChildProcess>();

  /** Ends the workers that do not end by themselves after another has failed. */
  private endOthers(): void {
    setTimeout(() => {
      for (const child of this.children) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        this.killed.add(child);
        child.kill('SIGKILL');
      }
    }, GRACE_MS).unref();
  }
}

function startWorker(addresses: readonly string[], index: number, args: readonly string[]): ChildProcess {
  const threads = String(Math.max(1, Math.floor(availableParallelism() / addresses.length)));
  const env = {
    TF_NUM_INTRAOP_THREADS: threads,
    ...process.env,
    TF_CONFIG: JSON.stringify({ cluster: { worker: addresses }, task: { type: 'worker', index } }),
    [LAUNCHED]: '1',
  };
  const own = index === 0 ? (['inherit', 'inherit'] as const) : (['ignore', 'pipe'] as const);
  return spawn(process.execPath, [...process.execArgv, process.argv[1], ...args], {
    env,
    stdio: ['ignore', ...own, 'ipc'],
  });
}

/** Threads that prepare images, divided among the workers. */
function threadsFor(config: TrainConfig): string[] {
  if (wasGiven(config, 'workers')) return [];
  return [`workers=${Math.max(1, Math.floor(availableParallelism() / 2 / config.processes))}`];
}

/** What lets the run go on, or begin again in the same folder. */
function continued(place: Place | undefined): string[] {
  if (!place) return [];
  if (existsSync(place.last)) return [`resume=${place.last}`];
  return [`project=${dirname(place.dir)}`, `name=${basename(place.dir)}`, 'exist_ok=true'];
}

/** A worker that failed for a reason of its own, which would be there again after a restart. */
function ownFailure(ended: readonly Ended[]): Ended | undefined {
  return ended.find(({ code, lost }) => code !== null && code !== 0 && lost === undefined);
}

/** Which worker was lost, as far as is known; undefined: none. */
function lossOf(ended: readonly Ended[]): string | undefined {
  const died = ended.find(({ signal, stalled }) => signal !== null && !stalled);
  if (died) return `worker ${died.index} was ended by ${died.signal}`;
  const stalled = ended.find((worker) => worker.stalled);
  if (stalled) return `worker ${stalled.index} did not answer in time`;
  return ended.find(({ lost }) => lost !== undefined)?.lost;
}

/** Addresses with ports that are free now. */
async function addressesFor(count: number): Promise<string[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, HOST, () => resolve((server.address() as { port: number }).port));
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports.map((port) => `${HOST}:${port}`);
}
