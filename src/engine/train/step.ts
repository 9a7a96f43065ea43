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
import { RATES, type StepInputs, type StepOptions, trainStep } from './step-graph.js';

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
   */
  async run(batch: StepBatch, rates: BatchRates, counters: StepCounters): Promise<StepResult> {
    const labels = paddedLabels(batch.labels, counters.labelSlots);
    counters.labelSlots = labels.slots;
    const { collect, step } = this.plansFor(batch.shape, labels.slots);
    const stepping = counters.index - counters.lastStep >= rates.accumulate;
    const images: HostTensor = { dtype: 'uint8', shape: [...batch.shape, 3], data: batch.images };
    const feeds = [images, ...Object.values(labels.tensors)];
    const fetched = await (stepping
      ? step.runAsync([...feeds, ...this.scalars(rates, counters.updates + 1)])
      : collect.runAsync(feeds));
    const index = counters.index++;
    const items = [...valuesOf(fetched[0], 'float32')] as StepResult['items'];
    const [norm] = valuesOf(fetched[1], 'float32');
    if (!items.every(Number.isFinite)) return { items, nonFinite: 'loss', stepped: false };
    if (!Number.isFinite(norm)) return { items, nonFinite: 'gradient', stepped: false };
    if (!stepping) return { items, stepped: false };
    counters.lastStep = index;
    counters.updates++;
    return { items, stepped: true, norm };
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
    this.session = Session.open(this.config);
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

  private plansFor(shape: StepBatch['shape'], labelSlots: number): Plans {
    const key = [...shape, labelSlots].join('x');
    const known = this.plans.get(key);
    if (known) return known;
    if (this.plans.size >= (this.config.maxShapes ?? MAX_SHAPES)) {
      const values = this.variables.read();
      this.session.close();
      this.open((name) => values.get(name)!);
    }
    const plans = this.addGraph(key, shape, labelSlots);
    this.plans.set(key, plans);
    return plans;
  }

  private addGraph(prefix: string, shape: StepBatch['shape'], labelSlots: number): Plans {
    const specs = this.inputSpecs(shape, labelSlots);
    const traced = trace((inputs: StepInputs) => trainStep(inputs, this.options), specs, { half: this.options.amp });
    const input = new Map(traced.inputs.map(({ name, node }) => [name, node]));
    const output = new Map(traced.outputs.map(({ name, node }) => [name, node]));
    this.session.add(this.onVariables(traced.nodes, input, output), { prefix });

    const at = (name: string | undefined) => `${prefix}/${name}`;
    const batch = ['images', 'labels/boxesPx', 'labels/classes', 'labels/mask'].map((name) => at(input.get(name)));
    const scalars = traced.inputs
      .filter(({ name }) => /^(rates|coefficients)\//.test(name))
      .map(({ node }) => at(node));
    const fetches = [at(output.get('items')), at(output.get('norm'))];
    const plan = (feeds: string[], target: string): Plan =>
      this.session.plan({ name: 'the training step', feeds, fetches, targets: [at(target)] });
    return { collect: plan(batch, 'collect'), step: plan([...batch, ...scalars], 'step') };
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
    } as unknown as Tree<TensorSpec>;
  }

  /** The traced nodes reading the variables, and the targets `collect` and `step`, which assign to them if all is finite. */
  private onVariables(
    traced: GraphNode[],
    input: ReadonlyMap<string, string>,
    output: ReadonlyMap<string, string>,
  ): GraphNode[] {
    const bindings = new Map([...this.specs].map(([name, variable]) => [input.get(name)!, variable]));
    const nodes = bindVariables(traced, bindings);
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
