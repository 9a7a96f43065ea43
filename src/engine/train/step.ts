/**
 * The training step. Its state lives in variables of a TensorFlow session, its graph (step-graph.ts) is added once for each
 * shape of batch, and one run of the session is one batch: JavaScript feeds images, labels and rates, and gets the losses.
 * A batch whose loss or gradient is not finite changes nothing; that is decided inside the graph.
 */
import type { GraphNode } from '../../graph/graph.js';
import type { HostTensor } from '../../graph/host-tensor.js';
import { valuesOf } from '../../graph/host-tensor.js';
import { type Plan, Session } from '../../graph/session.js';
import type { SessionConfig } from '../../graph/session-config.js';
import { type TensorSpec, trace } from '../../graph/trace.js';
import type { Tree } from '../../graph/tree.js';
import { type Assignment, assignments, bindVariables, type Variable, Variables } from '../../graph/variables.js';
import { paddedLabels } from '../../loss/label-tensors.js';
import { emaDecay } from '../../optim/ema.js';
import type { Trainable } from '../../optim/groups.js';
import type { BatchRates } from '../../optim/schedule.js';
import { emptyState, layoutOf, type Piece, packed, type TrainState, unpack, variablesOf, vectorSize } from './state.js';
import { RATES, type SharedStep, type StepInputs, type StepOptions, trainStep } from './step-graph.js';

/** What came of a batch. */
export interface StepResult {
  /** Box, class and DFL loss with their gains, divided by the target scores, not by the batch. */
  items: [box: number, cls: number, dfl: number];
  /** What was not finite, if anything was: then nothing was changed. */
  nonFinite?: 'loss' | 'gradient';
  /** An optimizer step was taken. */
  stepped: boolean;
  /** Gradient norm before clipping, when a step was taken. */
  norm?: number;
  /** What the workers told each other, added up. */
  told?: number[];
}

/** What a step counts, over the whole run. */
export interface StepCounters {
  /** Index of the next batch. */
  index: number;
  /** Optimizer steps taken so far. */
  updates: number;
  /** Index of the batch after which the last optimizer step was taken, −1 before the first. */
  lastStep: number;
  /** M, to which the labels of each image are padded: grows and never shrinks, so that there are few shapes. */
  labelSlots: number;
}

/** Counters before the first batch. */
export const freshCounters = (): StepCounters => ({ index: 0, updates: 0, lastStep: -1, labelSlots: 1 });

/** A batch as the loader gives it. */
export interface StepBatch {
  /** [B, H, W, 3] */
  images: Uint8Array;
  shape: [batch: number, height: number, width: number];
  /** [M, 5] class x1 y1 x2 y2, pixels of the network's input, each image. */
  labels: Float32Array[];
  /** Number of images of the batch that this is a part of. Default: it is whole. */
  whole?: number;
  /** True for an image that stands in for none. */
  idle?: boolean;
}

/** The other workers, if the step is computed by several. */
export interface StepWorkers {
  /** Options of the session. */
  session: SessionConfig & { target: string };
  /** Number of values that are added up over the workers with each batch. */
  tells: number;
  /** These values of one worker. @param told what the caller of the step tells @param labelSlots as in StepCounters */
  tell(told: readonly number[], labelSlots: number): number[];
  /** The reverse, of their sums: `told` is added up, `labelSlots` the largest. */
  heard(sums: readonly number[]): { told: number[]; labelSlots: number };
  /** The part of this worker in a graph for batches of this shape. */
  shared(batch: Pick<StepBatch, 'shape' | 'whole' | 'idle'>): SharedStep;
  /** Makes the operations in which the workers wait for each other run in one order. */
  ordered(nodes: readonly GraphNode[]): GraphNode[];
  /** The error of a run that another worker has caused, in words; other errors as they are. */
  explained(error: unknown): unknown;
  /** Sets variables of a session to the values that the first worker has. */
  broadcast(session: Session, variables: readonly Variable[]): Promise<void>;
}

/** What a step is compiled for, before its vectors are laid out. */
export interface TrainStepOptions extends Omit<StepOptions, 'layout'> {
  /** The parameters that are trained; all others are kept. */
  trainables: readonly Trainable[];
}

/** The two ways to run a batch; both are of one graph. */
interface Plans {
  /** Adds the gradients to the accumulated ones. */
  collect: Plan;
  /** Takes a step with them. */
  step: Plan;
}

/** Each shape adds a graph to the session, which can't be removed: after this many the state moves to a new session. */
const MAX_SHAPES = 24;

/** The compiled step of a run, and the tensors it changes. What is counted is the caller's (`StepCounters`). */
export class TrainStep {
  private session!: Session;
  private variables!: Variables;
  private plans = new Map<string, Plans>();
  private readonly specs: Map<string, Variable>;
  private readonly options: StepOptions;

  /**
   * @param state is copied
   * @param config of the session; shapes of batches that one session serves (default 24)
   */
  constructor(
    state: TrainState,
    options: TrainStepOptions,
    private readonly config: SessionConfig & { maxShapes?: number } = {},
    private readonly workers?: StepWorkers,
  ) {
    const { rule } = options;
    const layout = layoutOf(options.network.parameters, options.trainables);
    this.options = { ...options, layout };
    const sizes = [...variablesOf(rule.stateTensors)].map(([name, vector]) => ({
      name,
      shape: [vectorSize(layout[vector])],
    }));
    this.specs = new Map(sizes.filter(({ shape }) => shape[0] > 0).map((variable) => [variable.name, variable]));
    this.open((name) => this.pack(state, name));
  }

  /**
   * Trains on one batch, without blocking JavaScript. Its gradients are accumulated; a step is taken with them when
   * `rates.accumulate` batches have passed since the last one.
   * @param counters are advanced by this batch
   * @param told numbers that this worker tells the others
   */
  async run(batch: StepBatch, rates: BatchRates, counters: StepCounters, told: number[] = []): Promise<StepResult> {
    const labels = paddedLabels(
      batch.idle ? batch.labels.map(() => new Float32Array(0)) : batch.labels,
      counters.labelSlots,
    );
    counters.labelSlots = labels.slots;
    const { collect, step } = this.plansFor(batch, labels.slots);
    const stepping = counters.index - counters.lastStep >= rates.accumulate;
    const images: HostTensor = { dtype: 'uint8', shape: [...batch.shape, 3], data: batch.images };
    const feeds = [images, ...Object.values(labels.tensors)];
    if (this.workers) {
      const data = Float32Array.from(this.workers.tell(told, labels.slots));
      feeds.push({ dtype: 'float32', shape: [data.length], data });
    }
    const fetched = await (stepping
      ? step.runAsync([...feeds, ...this.scalars(rates, counters.updates + 1)])
      : collect.runAsync(feeds)
    ).catch((error) => {
      throw this.workers?.explained(error) ?? error;
    });
    const index = counters.index++;
    const items = [...valuesOf(fetched[0], 'float32')] as StepResult['items'];
    const [norm] = valuesOf(fetched[1], 'float32');
    const heard = this.workers?.heard([...valuesOf(fetched[2], 'float32')]);
    if (heard) counters.labelSlots = heard.labelSlots;
    const result = { items, told: heard?.told };
    if (!items.every(Number.isFinite)) return { ...result, nonFinite: 'loss', stepped: false };
    if (!Number.isFinite(norm)) return { ...result, nonFinite: 'gradient', stepped: false };
    if (!stepping) return { ...result, stepped: false };
    counters.lastStep = index;
    counters.updates++;
    return { ...result, stepped: true, norm };
  }

  /** Goes on from the state that the first worker has. */
  async broadcast(): Promise<void> {
    await this.workers?.broadcast(this.session, [...this.specs.values()]);
  }

  /** A copy of the state; its arrays share memory with each other, not with the session. */
  read(): TrainState {
    return this.readVariables([...this.specs.keys()]);
  }

  /** A copy of the EMA weights alone. */
  readEma(): TrainState['ema'] {
    return this.readVariables([...this.specs.keys()].filter((name) => name.startsWith('ema/'))).ema;
  }

  /** Goes on from another state. */
  restore(state: TrainState): void {
    this.variables.set(({ name }) => this.pack(state, name));
  }

  dispose(): void {
    this.session.close();
    this.plans.clear();
  }

  private open(value: (name: string) => Float32Array): void {
    this.session = Session.open({ ...this.config, ...this.workers?.session });
    this.variables = new Variables(this.session, [...this.specs.values()]);
    this.variables.set(({ name }) => value(name));
    this.plans = new Map();
  }

  private readVariables(names: readonly string[]): TrainState {
    const state = emptyState();
    for (const [name, values] of this.variables.read(names)) unpack(state, name, this.piecesOf(name), values);
    return state;
  }

  private pack(state: TrainState, name: string): Float32Array {
    return packed(state, name, this.piecesOf(name));
  }

  private piecesOf(variable: string): Piece[] {
    const { layout, rule } = this.options;
    return layout[variablesOf(rule.stateTensors).get(variable)!];
  }

  /** @param t number of the optimizer step, from 1 */
  private scalars(rates: BatchRates, t: number): HostTensor[] {
    const values = { ...rates, emaDecay: emaDecay(t) };
    const numbers = [...RATES.map((name) => values[name]), ...this.options.rule.coefficients(t, rates.momentum)];
    return numbers.map((value) => ({ dtype: 'float32', shape: [], data: Float32Array.of(value) }));
  }

  private plansFor(batch: StepBatch, labelSlots: number): Plans {
    const part = this.workers ? [batch.whole, Number(batch.idle)] : [];
    const key = [...batch.shape, labelSlots, ...part].join('x');
    const known = this.plans.get(key);
    if (known) return known;
    if (this.plans.size >= (this.config.maxShapes ?? MAX_SHAPES)) {
      const values = this.variables.read();
      this.session.close();
      this.open((name) => values.get(name)!);
    }
    const plans = this.addGraph(key, batch, labelSlots);
    this.plans.set(key, plans);
    return plans;
  }

  private addGraph(prefix: string, batch: StepBatch, labelSlots: number): Plans {
    const specs = this.inputSpecs(batch.shape, labelSlots);
    const shared = this.workers?.shared(batch);
    const traced = trace((inputs: StepInputs) => trainStep(inputs, this.options, shared), specs, {
      half: this.options.amp,
    });
    const input = new Map(traced.inputs.map(({ name, node }) => [name, node]));
    const output = new Map(traced.outputs.map(({ name, node }) => [name, node]));
    this.session.add(this.onVariables(traced.nodes, input, output), { prefix });

    const at = (name: string | undefined) => `${prefix}/${name}`;
    const told = shared ? ['told'] : [];
    const ofBatch = ['images', 'labels/boxesPx', 'labels/classes', 'labels/mask', ...told].map((name) =>
      at(input.get(name)),
    );
    const scalars = traced.inputs
      .filter(({ name }) => /^(rates|coefficients)\//.test(name))
      .map(({ node }) => at(node));
    const fetches = ['items', 'norm', ...told].map((name) => at(output.get(name)));
    const plan = (feeds: string[], target: string): Plan =>
      this.session.plan({ name: 'the training step', feeds, fetches, targets: [at(target)] });
    return { collect: plan(ofBatch, 'collect'), step: plan([...ofBatch, ...scalars], 'step') };
  }

  /** The inputs that a graph is traced with: a batch, its scalars, and the variables. */
  private inputSpecs([b, h, w]: StepBatch['shape'], m: number): Tree<TensorSpec> {
    const float = (...shape: number[]): TensorSpec => ({ shape, dtype: 'float32' });
    const part = (name: string): Record<string, TensorSpec> =>
      Object.fromEntries(
        [...this.specs.values()]
          .filter((variable) => variable.name.startsWith(`${name}/`))
          .map((variable) => [variable.name.slice(name.length + 1), float(...variable.shape)]),
      );
    return {
      images: { shape: [b, h, w, 3], dtype: 'uint8' },
      labels: { boxesPx: float(b, m, 4), classes: { shape: [b, m], dtype: 'int32' }, mask: float(b, m) },
      rates: Object.fromEntries(RATES.map((name) => [name, float()])),
      coefficients: this.options.rule.coefficients(1, 0.9).map(() => float()),
      model: part('model'),
      ema: part('ema'),
      optimizerState: part('optimizerState'),
      accumulated: part('accumulated'),
      ...(this.workers && { told: float(this.workers.tells) }),
    } as unknown as Tree<TensorSpec>;
  }

  /** The traced nodes reading the variables, and the targets `collect` and `step`, which assign to them if all is finite. */
  private onVariables(
    traced: GraphNode[],
    input: ReadonlyMap<string, string>,
    output: ReadonlyMap<string, string>,
  ): GraphNode[] {
    const bindings = new Map([...this.specs].map(([name, variable]) => [input.get(name)!, variable]));
    const nodes = bindVariables(this.workers ? this.workers.ordered(traced) : traced, bindings);
    nodes.push(...allFinite('finite', [output.get('items')!, output.get('norm')!]));
    const to = (name: string, value?: string): Assignment => ({ variable: this.specs.get(name)!, value });
    const results = (of: string) => [...output].filter(([name]) => name.startsWith(`${of}/`));
    const kept = to('model/kept', output.get('kept'));
    const accumulated = results('accumulated');
    const next = results('next').map(([name, ref]) => to(name.slice('next/'.length), ref));
    const gate = { condition: 'finite', after: accumulated.map(([, ref]) => ref) };
    nodes.push(...assignments('collect', [kept, ...accumulated.map(([name, ref]) => to(name, ref))], gate));
    nodes.push(...assignments('step', [kept, ...next, ...accumulated.map(([name]) => to(name))], gate));
    return nodes;
  }
}

/** `name`: a scalar bool, whether all of these vectors and scalars are finite. */
function allFinite(name: string, [items, norm]: [items: string, norm: string]): GraphNode[] {
  const T = { type: 'float32' } as const;
  const axes = { tensor: { dtype: 'int32' as const, shape: [1], values: Int32Array.of(0) } };
  return [
    { name: `${name}/items`, op: 'IsFinite', inputs: [items], attrs: { T } },
    { name: `${name}/axes`, op: 'Const', inputs: [], attrs: { dtype: { type: 'int32' }, value: axes } },
    {
      name: `${name}/loss`,
      op: 'All',
      inputs: [`${name}/items`, `${name}/axes`],
      attrs: { keep_dims: false, Tidx: { type: 'int32' } },
    },
    { name: `${name}/norm`, op: 'IsFinite', inputs: [norm], attrs: { T } },
    { name, op: 'LogicalAnd', inputs: [`${name}/loss`, `${name}/norm`], attrs: {} },
  ];
}
