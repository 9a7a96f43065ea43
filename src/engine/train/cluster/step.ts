/**
 * The training step on several workers. Each computes the gradients of its part of the batch, summands of those of the whole
 * batch because the loss is divided by the target scores of all; they are added up before they are accumulated, so that the
 * state is the same on all workers after each batch, bit by bit.
 */
import * as tf from '@tensorflow/tfjs-core';
import { broadcastVariables, inOrder, sumOverWorkers, type Workers } from '../../../graph/collectives.js';
import type { Session } from '../../../graph/session.js';
import type { SessionConfig } from '../../../graph/session-config.js';
import type { Variable } from '../../../graph/variables.js';
import type { StepBatch, StepWorkers } from '../step.js';
import type { SharedStep, StepParts } from '../step-graph.js';
import { lostWorker } from './lost.js';
import type { Members } from './members.js';

/** Instance keys of one graph, more than it has collective operations. */
const KEYS_OF_GRAPH = 4096;

/** Numbers that the training loop tells (cluster.ts). */
const TOLD = 3;
/** Numbers of label slots that are told apart: 4, 6, 8, 12 … to 3 · 2^14. */
const MAX_SLOTS = 28;

/** The collective operations of a run's step. */
export class ClusterStep implements StepWorkers {
  readonly tells = TOLD + MAX_SLOTS;
  readonly ordered = inOrder;
  /** First instance key of the graphs for a shape of batch. All workers meet the shapes in the same order. */
  private readonly keys = new Map<string, number>();
  private nextKey = KEYS_OF_GRAPH;

  constructor(
    readonly session: SessionConfig & { target: string },
    private readonly workers: Workers,
    private readonly members: Members,
    private readonly syncBn: boolean,
  ) {}

  tell(told: readonly number[], labelSlots: number): number[] {
    const slots = Array.from({ length: MAX_SLOTS }, (_, i) => Number(i === slotsIndex(labelSlots)));
    return [...told, ...slots];
  }

  heard(sums: readonly number[]): { told: number[]; labelSlots: number } {
    const index = sums.findLastIndex((workers, i) => i >= TOLD && workers > 0) - TOLD;
    return { told: sums.slice(0, TOLD), labelSlots: slotsAt(index) };
  }

  explained(error: unknown): unknown {
    return lostWorker(error, this.members);
  }

  shared({
    shape: [count, height, width],
    whole = count,
    idle,
  }: Pick<StepBatch, 'shape' | 'whole' | 'idle'>): SharedStep {
    let key = this.keysFor([whole, height, width].join('x'));
    const sum = <T extends tf.Tensor>(x: T): T => sumOverWorkers(x, this.workers, key++);
    const share = idle ? 0 : count / whole;
    return { images: whole, share, syncBn: this.syncBn, sum, merge: (own) => merged(own, share, sum) };
  }

  async broadcast(session: Session, variables: readonly Variable[]): Promise<void> {
    const prefix = `broadcast${this.nextKey}`;
    const { nodes, targets } = broadcastVariables(variables, this.workers, this.takeKeys());
    session.add(nodes, { prefix });
    const plan = session.plan({
      name: 'the broadcast of the state',
      targets: targets.map((target) => `${prefix}/${target}`),
    });
    await plan.runAsync().catch((error) => {
      throw this.explained(error);
    });
  }

  private keysFor(name: string): number {
    const known = this.keys.get(name);
    if (known !== undefined) return known;
    const key = this.takeKeys();
    this.keys.set(name, key);
    return key;
  }

  private takeKeys(): number {
    this.nextKey += KEYS_OF_GRAPH;
    return this.nextKey - KEYS_OF_GRAPH;
  }
}

/** Index in the sequence of `labelSlots` (label-tensors.ts), and its member there. */
const slotsIndex = (slots: number): number => Math.floor(2 * Math.log2(slots / 4));
const slotsAt = (index: number): number => (index % 2 ? 3 : 2) * 2 ** (1 + Math.floor(index / 2));

/** In two sums: the gradients of the kernels, and all else. */
function merged({ gradients, items, statistics, told }: StepParts, share: number, sum: SharedStep['sum']): StepParts {
  const { weight, ...others } = gradients;
  const groups = Object.keys(others);
  const names = Object.keys(statistics);
  const parts = [
    ...groups.map((group) => others[group]),
    ...names.map((name) => tf.mul(statistics[name], share)),
    items,
    told,
  ];
  const sums = tf.split(
    sum(tf.concat(parts)),
    parts.map(({ size }) => size),
  );
  const at = (i: number): tf.Tensor => sums[i];
  return {
    gradients: {
      ...(weight && { weight: sum(weight) }),
      ...Object.fromEntries(groups.map((group, i) => [group, at(i)])),
    },
    statistics: Object.fromEntries(names.map((name, i) => [name, at(groups.length + i)])),
    items: at(parts.length - 2),
    told: at(parts.length - 1),
  };
}
