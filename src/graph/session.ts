/**
 * A session of TensorFlow: graphs go in from memory, plans run them, state lives in its variables (variables.ts). Graphs of
 * a session don't see each other's nodes; a variable they share by its name.
 *
 * Runs of a session follow one another. `run` blocks JavaScript; `runAsync` leaves it free, computes on a thread of its own,
 * and lets a bounded number of further runs wait. What is fed is copied before the call returns, results are copies.
 */
import { UserError } from '../core/errors.js';
import type { ProtoPart } from '../io/protobuf.js';
import { type GraphNode, TYPE_NUMBER } from './graph.js';
import { graphDef } from './graphdef.js';
import { type HostTensor, hostTensor, type TensorType, typeName, verifyFeed } from './host-tensor.js';
import { RunQueue } from './run-queue.js';
import { configProto, type SessionConfig } from './session-config.js';
import { type Handle, type NativeSessions, type NativeTensor, nativeSessions } from './tensorflow.js';

export interface SessionOptions extends SessionConfig {
  /** Where the session computes: '' for this process, or a server of TensorFlow ('grpc://host:port'). */
  target?: string;
  /** Asynchronous runs that may wait for their turn; one more is refused. Default: 64. */
  maxWaiting?: number;
  /**
   * Graphs that may be added. Each makes the next more costly (13 ms a graph of a detector) and none is freed before the
   * session is closed: with more shapes than that, open another session. Default: 32.
   */
  maxGraphs?: number;
}

export interface AddOptions {
  /** In front of the names of all nodes of this graph: 'prefix/node'. Names of variables stay as they are. */
  prefix?: string;
  /** Device of nodes that name none, e.g. '/device:GPU:0'; TensorFlow's own choice when left out. */
  device?: string;
}

/** Names of nodes, 'node:1' for an output other than the first. */
export interface PlanOptions {
  /** For messages. */
  name?: string;
  /** What each run is fed, in the order of its argument. */
  feeds?: readonly string[];
  /** What each run gives, in this order. */
  fetches?: readonly string[];
  /** Nodes that are run for what they do. */
  targets?: readonly string[];
}

export interface Device {
  name: string;
  /** CPU, GPU … */
  type: string;
  /** Bytes. */
  memory: number;
}

const MAX_WAITING = 64;
const MAX_GRAPHS = 32;

export class Session {
  private handle: Handle | undefined;
  private added = 0;
  private readonly queue: RunQueue;

  /** @throws UserError where TensorFlow is not set up */
  static open(options: SessionOptions = {}): Session {
    const native = nativeSessions();
    return new Session(native, native.open(configProto(options), options.target ?? ''), options);
  }

  private constructor(
    private readonly native: NativeSessions,
    handle: Handle,
    private readonly options: SessionOptions,
  ) {
    this.handle = handle;
    this.queue = new RunQueue(options.maxWaiting ?? MAX_WAITING);
  }

  get closed(): boolean {
    return this.handle === undefined;
  }

  /** Number of graphs that were added. */
  get graphs(): number {
    return this.added;
  }

  /** Adds a graph, also between and during runs. @param graph nodes, or a GraphDef */
  add(graph: readonly GraphNode[] | ProtoPart | Uint8Array, { prefix = '', device = '' }: AddOptions = {}): void {
    const handle = this.open();
    const { maxGraphs = MAX_GRAPHS } = this.options;
    if (this.added >= maxGraphs) throw new Error(`this session holds ${maxGraphs} graphs, its limit: open another one`);
    this.native.add(handle, bytesOfGraph(graph), prefix, device);
    this.added++;
  }

  plan({ name = 'the graph', feeds = [], fetches = [], targets = [] }: PlanOptions): Plan {
    const { plan, feeds: types } = this.native.plan(this.open(), feeds, fetches, targets);
    const known = types.map(({ dtype, shape }, i) => ({ name: feeds[i], dtype: typeName(dtype), shape }));
    return new Plan(name, known, {
      native: this.native,
      queue: this.queue,
      plan,
      open: () => this.open(),
    });
  }

  devices(): Device[] {
    return this.native.devices(this.open());
  }

  /** Refuses what waits. A run under way goes on to its end; the session's memory is free after it. */
  close(): void {
    if (this.handle === undefined) return;
    this.native.close(this.handle);
    this.handle = undefined;
    this.queue.clear(new Error('the session was closed'));
  }

  private open(): Handle {
    if (this.handle === undefined) throw new Error('the session was closed');
    return this.handle;
  }
}

export interface RunOptions {
  /** Takes the run away while it waits; one under way is only no longer waited for, and still assigns its variables. */
  signal?: AbortSignal;
}

/** What a plan has of its session. */
interface PlanParts {
  native: NativeSessions;
  queue: RunQueue;
  plan: Handle;
  /** @throws when the session was closed */
  open(): void;
}

/** Feeds, fetches and targets of a session, looked up once. */
export class Plan {
  /** Made by Session.plan. @param feeds name, element type and shape (−1: any) of what a run is fed */
  constructor(
    readonly name: string,
    readonly feeds: readonly (TensorType & { name: string })[],
    private readonly parts: PlanParts,
  ) {}

  /** Runs it and waits; for another run of the session, too. @throws Error with TensorFlow's text and its kind as `code` */
  run(feeds: readonly HostTensor[] = []): HostTensor[] {
    return results(this.parts.native.run(this.prepare(feeds)));
  }

  /**
   * Runs it when it is its turn, without blocking JavaScript.
   * @throws UserError queue-full when too many wait already
   */
  async runAsync(feeds: readonly HostTensor[] = [], { signal }: RunOptions = {}): Promise<HostTensor[]> {
    signal?.throwIfAborted();
    const { native, queue } = this.parts;
    if (queue.full) {
      const hint = 'Wait for some to end before starting more, or allow more to wait (maxWaiting).';
      throw new UserError('queue-full', `the queue of ${this.name} is full: ${queue.limit} waiting`, hint, 1);
    }
    const run = this.prepare(feeds);
    return results(await queue.add({ start: () => native.runApart(run), drop: () => native.discard(run), signal }));
  }

  private prepare(values: readonly HostTensor[]): Handle {
    this.parts.open();
    const { name, feeds } = this;
    if (values.length !== feeds.length) {
      throw new Error(
        `${name}: expected ${feeds.length} values (${feeds.map((f) => f.name).join()}), got ${values.length}`,
      );
    }
    values.forEach((value, i) => {
      verifyFeed(value, feeds[i], `'${feeds[i].name}' of ${name}`);
    });
    return this.parts.native.prepare(
      this.parts.plan,
      values.map(({ dtype }) => TYPE_NUMBER[dtype]),
      values.map(({ shape }) => shape),
      values.map(({ data }) => data),
    );
  }
}

function results(tensors: NativeTensor[]): HostTensor[] {
  return tensors.map(({ dtype, shape, buffer }) => hostTensor(typeName(dtype), shape, buffer));
}

function bytesOfGraph(graph: readonly GraphNode[] | ProtoPart | Uint8Array): Uint8Array {
  if (graph instanceof Uint8Array) return graph;
  return ('finish' in graph ? graph : graphDef(graph)).finish();
}
