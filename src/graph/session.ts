/**
 * A TensorFlow session: graphs are added to it, plans run them, state is in its variables (variables.ts). The graphs of a
 * session share variables of the same name.
 *
 * Runs of a session are executed one after the other, unless `atOnce` says otherwise. `run` blocks the JavaScript thread; `runAsync` runs in another thread
 * and has a queue with a limit. Fed values are copied before the call returns; results are copies.
 */
import { UserError } from '../core/errors.js';
import type { ProtoPart } from '../io/protobuf.js';
import { type GraphNode, TYPE_NUMBER } from './graph.js';
import { graphDef } from './graphdef.js';
import { type HostTensor, hostTensor, type TensorType, typeName, verifyFeed } from './host-tensor.js';
import { RunQueue } from './run-queue.js';
import { configProto, type SessionConfig } from './session-config.js';
import { type Handle, type NativeSessions, type NativeTensor, nativeSessions } from './tensorflow.js';

/** Options of a session. */
export interface SessionOptions extends SessionConfig {
  /** '' for this process, or a TensorFlow server ('grpc://host:port'). Default: ''. */
  target?: string;
  /** Maximum number of asynchronous runs that are executed at the same time; more than 1: `run` does not wait either. Default: 1. */
  atOnce?: number;
  /** Maximum number of asynchronous runs in the queue; further ones are rejected. Default: 64. */
  maxWaiting?: number;
  /**
   * Maximum number of graphs. Each graph makes adding the next one slower (by 13 ms for a detector), and none is freed
   * before the session is closed. Default: 32.
   */
  maxGraphs?: number;
}

/** Options for adding a graph. */
export interface AddOptions {
  /** Prefix of the names of all nodes: 'prefix/node'. Names of variables are not changed. */
  prefix?: string;
  /** Device of nodes without one, e.g. '/device:GPU:0'. Default: TensorFlow's placement. */
  device?: string;
}

/** Options of a plan: names of nodes, 'node:1' for an output other than the first. */
export interface PlanOptions {
  /** For messages. */
  name?: string;
  /** Tensors that are fed, in the order of the arguments of a run. */
  feeds?: readonly string[];
  /** Tensors that are returned, in this order. */
  fetches?: readonly string[];
  /** Nodes that are run for their side effects. */
  targets?: readonly string[];
}

/** A device of a session. */
export interface Device {
  name: string;
  /** CPU, GPU … */
  type: string;
  /** Bytes. */
  memory: number;
}

const MAX_WAITING = 64;
const MAX_GRAPHS = 32;

/** A session; to be closed by its owner. */
export class Session {
  private handle: Handle | undefined;
  private added = 0;
  private readonly queue: RunQueue;

  /** Opens a session; loads TensorFlow if necessary. @throws UserError 'no-engine' when TensorFlow is not set up */
  static open(options: SessionOptions = {}): Session {
    const native = nativeSessions();
    return new Session(
      native,
      native.open(configProto(options), options.target ?? '', (options.atOnce ?? 1) > 1),
      options,
    );
  }

  private constructor(
    private readonly native: NativeSessions,
    handle: Handle,
    private readonly options: SessionOptions,
  ) {
    this.handle = handle;
    this.queue = new RunQueue(options.maxWaiting ?? MAX_WAITING, options.atOnce);
  }

  /** Whether the session was closed. */
  get closed(): boolean {
    return this.handle === undefined;
  }

  /** Number of added graphs. */
  get graphs(): number {
    return this.added;
  }

  /**
   * Adds a graph, also between and during runs.
   * @param graph nodes, or a GraphDef
   * @throws Error when the session is closed or has too many graphs, or TensorFlow rejects the graph
   */
  add(graph: readonly GraphNode[] | ProtoPart | Uint8Array, { prefix = '', device = '' }: AddOptions = {}): void {
    const handle = this.open();
    const { maxGraphs = MAX_GRAPHS } = this.options;
    if (this.added >= maxGraphs) throw new Error(`this session has ${maxGraphs} graphs, its limit: open another one`);
    this.native.add(handle, bytesOfGraph(graph), prefix, device);
    this.added++;
  }

  /** Creates a plan. @throws Error when the session is closed or has no such nodes */
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

  /** Lists the devices of the session. */
  devices(): Device[] {
    return this.native.devices(this.open());
  }

  /** Rejects queued runs. A current run is completed; the session's memory is freed after it. */
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

/** Options of an asynchronous run. */
export interface RunOptions {
  /** Removes the run from the queue when aborted; a run that has started is completed and assigns its variables. */
  signal?: AbortSignal;
}

/** References of a plan to its session. */
interface PlanParts {
  native: NativeSessions;
  queue: RunQueue;
  plan: Handle;
  /** @throws when the session was closed */
  open(): void;
}

/** Feeds, fetches and targets of a session, resolved once for all runs. */
export class Plan {
  /** Called by Session.plan. @param feeds name, element type and shape (−1: any) of the fed tensors */
  constructor(
    readonly name: string,
    readonly feeds: readonly (TensorType & { name: string })[],
    private readonly parts: PlanParts,
  ) {}

  /** Runs synchronously, after other runs of the session. @throws Error with TensorFlow's message and status as `code` */
  run(feeds: readonly HostTensor[] = []): HostTensor[] {
    return results(this.parts.native.run(this.prepare(feeds)));
  }

  /**
   * Runs without blocking the JavaScript thread, after other runs of the session.
   * @throws UserError 'queue-full' when too many runs are waiting; Error as `run`; the reason of an aborted signal
   */
  async runAsync(feeds: readonly HostTensor[] = [], { signal }: RunOptions = {}): Promise<HostTensor[]> {
    signal?.throwIfAborted();
    const { native, queue } = this.parts;
    if (queue.full) {
      const hint = 'Wait for some runs to end before starting more, or increase maxWaiting.';
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
