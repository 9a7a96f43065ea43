/**
 * What can be known of GPUs without one: graphs are traced as for a GPU and run on the CPU, by TensorFlow's CUDA build where
 * the GPU engine is set up; which kernels that build has for a GPU is read from it, elsewhere from what it said once
 * (golden/gpu-kernels.json; `npx vitest run test/engine/train/gpu-graphs.test.ts -u` writes it anew where the GPU engine is).
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { gpuLibraries, gpuReady } from '../../../bin/setup/gpu-paths.mjs';
import { labelsToPx } from '../../../src/core/boxes.js';
import type { OptimizerName } from '../../../src/core/choices.js';
import { createDetector } from '../../../src/detect/detectors/network.js';
import { trainablesOf } from '../../../src/engine/train/optimizer.js';
import { freshState } from '../../../src/engine/train/state.js';
import { freshCounters, type StepBatch, TrainStep } from '../../../src/engine/train/step.js';
import { DetectorWithLoss } from '../../../src/engine/val/detector-with-loss.js';
import type { GraphNode } from '../../../src/graph/graph.js';
import { Session } from '../../../src/graph/session.js';
import { loadTensorflow, nativeSessions, tensorflowFiles } from '../../../src/graph/tensorflow.js';
import { depthwiseConv2d } from '../../../src/nn/depthwise.js';
import { fromFile } from '../../../src/nn/layout.js';
import { buildNetwork } from '../../../src/nn/model.js';
import { OPTIMIZERS } from '../../../src/optim/optimizers.js';
import { expectClose } from '../../helpers/close.js';
import { compile } from '../../helpers/compile.js';
import { golden, pick } from '../../helpers/golden.js';
import { native } from '../../helpers/native.js';
import { placeOnGpu } from '../../helpers/placement.js';
import { type Registry, readRegistry } from '../../helpers/registry.js';
import { tinyModel } from '../../helpers/tiny-model.js';
import { goldenYolo11 } from '../../helpers/yolo11.js';

const GOLDEN = fileURLToPath(new URL('../../golden/gpu-kernels.json', import.meta.url));
const { checkpoint, spec } = tinyModel();
const training = golden('training');
const [v11] = goldenYolo11();
let registry: Registry;

beforeAll(async () => {
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '3'; // without a driver TensorFlow calls that an error
  const files = { ...tensorflowFiles()!, ops: [], gpu: true };
  loadTensorflow(gpuReady() ? { ...files, libraries: gpuLibraries() } : files);
  await native();
  registry = gpuReady() ? liveRegistry() : JSON.parse(readFileSync(GOLDEN, 'utf8'));
});

/** Of all ops that the sources name, the kernels for GPUs. */
function liveRegistry(): Registry {
  const ops = new Uint8Array(nativeSessions().ops());
  const root = join(import.meta.dirname, '../../../src');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).map((name) => join(root, name));
  const source = files.filter((file) => file.endsWith('.ts')).map((file) => readFileSync(file, 'utf8'));
  const names = new Set(source.flatMap((text) => [...text.matchAll(/'([A-Z]\w+)'/g)].map(([, name]) => name)));
  const { ops: definitions, kernels } = readRegistry(new Uint8Array(nativeSessions().kernels('')), ops, names);
  const forGpu = Object.entries(kernels).map(([op, list]) => {
    const lines = list.filter(({ device }) => device !== 'CPU').map((kernel) => JSON.stringify(kernel));
    return [op, [...new Set(lines)].sort().map((line) => JSON.parse(line))] as const;
  });
  const sorted = <T>(entries: (readonly [string, T])[]) =>
    Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))) as Record<string, T>;
  const used = forGpu.filter(([, list]) => list.some(({ device }) => device === 'GPU' || device === 'DEFAULT'));
  return { ops: sorted(Object.entries(definitions)), kernels: sorted(used) };
}

/** An op or a kernel a line. */
function written({ ops, kernels }: Registry): string {
  const lines = (rows: [string, unknown[]][]) =>
    rows.map(([name, list]) => `"${name}": [\n${list.map((row) => JSON.stringify(row)).join(',\n')}\n]`).join(',\n');
  const definitions = Object.entries(ops).map(([name, op]) => `"${name}": ${JSON.stringify(op)}`);
  return `{ "ops": {\n${definitions.join(',\n')}\n},\n"kernels": {\n${lines(Object.entries(kernels))}\n} }\n`;
}

/** A network's graph has more nodes than this; those that set variables have less. */
const LARGE = 200;

/** Nodes of all graphs that TensorFlow is given by `work`, which ends with the last of its large ones: it need not run. */
async function graphsOf(work: () => Promise<unknown>, large: number): Promise<GraphNode[][]> {
  const graphs: GraphNode[][] = [];
  const enough = new Error('all large graphs were given');
  const seen = (nodes: readonly GraphNode[]): void => {
    graphs.push([...nodes]);
    if (graphs.filter((graph) => graph.length > LARGE).length === large) throw enough;
  };
  const add = Session.prototype.add;
  vi.spyOn(Session.prototype, 'add').mockImplementation(function (this: Session, graph, options) {
    if (Array.isArray(graph)) seen(graph);
    add.call(this, graph, options);
  });
  await expect(work()).rejects.toBe(enough);
  vi.restoreAllMocks();
  return graphs;
}

const images = (n: number, side = 64) => Uint8Array.from({ length: n * side * side * 3 }, (_, i) => (i * 7) % 256);
const labels = [Float32Array.of(...[0, 19, 13, 45, 51], ...[1, 13, 13, 26, 26]), Float32Array.of()];

function openStep(
  optimizer: OptimizerName,
  { model = spec, classes = spec.nc, frozen = [] as number[], start = weightsOf() } = {},
) {
  const network = buildNetwork({ ...model, nc: classes });
  const trainables = trainablesOf(network, frozen.length > 0 ? frozen : null);
  const rule = OPTIMIZERS[optimizer];
  const state = freshState(start, trainables, rule.stateTensors);
  const gains = { box: 7.5, cls: 0.5, dfl: 1.5 };
  return new TrainStep(state, { network, trainables, frozenLayers: new Set(frozen), rule, decay: 5e-4, gains });
}

function weightsOf({ weights } = checkpoint) {
  return Object.fromEntries([...weights].map(([name, array]) => [name, fromFile(array)]));
}

const rates = { lrWeight: 1e-3, lrBn: 1e-3, lrBias: 1e-3, momentum: 0.9, accumulate: 1 };

async function train(optimizer: OptimizerName, options?: Parameters<typeof openStep>[1]): Promise<void> {
  const step = openStep(optimizer, options);
  const batch: StepBatch = { images: images(2), shape: [2, 64, 64], labels };
  await step.run(batch, rates, freshCounters());
}

async function infer(options: { half?: boolean; augment?: boolean }): Promise<void> {
  const detector = await createDetector(checkpoint, options);
  await detector.infer(images(1), [1, 64, 64]);
}

async function validate(): Promise<void> {
  const detector = new DetectorWithLoss(buildNetwork(spec), checkpoint.names, {
    gains: { box: 7.5, cls: 0.5, dfl: 1.5 },
  });
  detector.setWeights(checkpoint.weights);
  await detector.inferWithLoss(images(2), [2, 64, 64], labels, 0.25);
}

/** What is done, and how many large graphs that takes. */
const WORK: [string, () => Promise<void>, number][] = [
  ...(Object.keys(OPTIMIZERS) as OptimizerName[]).map((name): (typeof WORK)[0] => [
    `training with ${name}`,
    () => train(name),
    1,
  ]),
  ['training with frozen layers', () => train('SGD', { frozen: [0, 1] }), 1],
  [
    'training of YOLO11',
    () => train('SGD', { model: v11.spec, classes: v11.spec.nc, start: weightsOf(v11.checkpoint) }),
    1,
  ],
  ['validation with its loss', validate, 2], // the second of them has the loss
  ['prediction', () => infer({}), 1],
  ['prediction in half precision', () => infer({ half: true }), 1],
  ['prediction at three scales', () => infer({ augment: true }), 1],
];

/**
 * Ops that a GPU computes only in an order that changes from run to run: with TF_DETERMINISTIC_OPS they end the run with an
 * error (tensorflow/core/kernels, "A deterministic GPU implementation of … is not currently available").
 */
const NOT_DETERMINISTIC = [
  'DepthwiseConv2dNativeBackpropFilter',
  'ResizeNearestNeighborGrad',
  'MaxPoolGradWithArgmax',
  'Bincount',
  'DenseBincount',
];

/** What the host reads although the GPU computes it, and why. */
const READ_ON_THE_HOST = {
  // Whether a step is taken is decided on the host: a gate is a Switch, and TensorFlow's executor chooses by its predicate.
  gate: /^LogicalAnd → Switch T=bool\.pred$/,
  // A single number, the value that detection at three scales pads with; TensorFlow's kernel takes it from the host.
  padding: /^Const dtype=float32 → PadV2 .*\.constant_values$/,
};

describe('graphs for a GPU', () => {
  it.each(WORK)('%s: every op has a kernel there, and no value is fetched back on the way', async (_, work, large) => {
    const graphs = await graphsOf(work, large);
    expect(graphs.length).toBeGreaterThan(0);
    for (const nodes of graphs) {
      const { placed, missing, leaving } = placeOnGpu(nodes, registry);
      expect(missing).toEqual({});
      expect(placed).toBe(nodes.length);
      const unexplained = Object.keys(leaving).filter(
        (key) => !Object.values(READ_ON_THE_HOST).some((why) => why.test(key)),
      );
      expect(unexplained).toEqual([]);
      expect(nodes.map(({ op }) => op).filter((op) => NOT_DETERMINISTIC.includes(op))).toEqual([]);
    }
  });

  it('the check sees an op without a kernel, and a value that is fetched back', () => {
    const T = { type: 'int32' as const };
    const from = { type: 'float32' as const };
    const nodes: GraphNode[] = [
      { name: 'x', op: 'Placeholder', inputs: [], attrs: { dtype: from, shape: { shape: [2] } } },
      { name: 'cast', op: 'Cast', inputs: ['x'], attrs: { SrcT: from, DstT: T } },
      { name: 'neg', op: 'Neg', inputs: ['cast'], attrs: { T } },
      { name: 'sigmoid', op: 'Sigmoid', inputs: ['neg'], attrs: { T } },
    ];
    expect(placeOnGpu(nodes, registry)).toEqual({
      placed: 3,
      missing: { 'Sigmoid T=int32': 1 },
      leaving: { 'Cast DstT=int32 SrcT=float32 → Neg T=int32.x': 1 },
    });
  });

  it('train to the same numbers as elsewhere', async () => {
    const start: ReturnType<typeof weightsOf> = {};
    for (const [name, { shape, data }] of training.tensors)
      if (name.startsWith('init.')) start[name.slice(5)] = fromFile({ shape, data: data as Float32Array });
    const classes = pick(training, 'init.model.22.cv3.0.2.weight').shape[0];
    const step = openStep('SGD', { classes, start });
    const image = pick(training, 'batch0.img');
    const [of, cls, boxes] = ['batch_idx', 'cls', 'bboxes'].map((name) =>
      Array.from(pick(training, `batch0.${name}`).data, Number),
    );
    const perImage = Array.from({ length: image.shape[0] }, (_, k) =>
      labelsToPx(Float32Array.from(of.flatMap((b, n) => (b === k ? [cls[n], ...boxes.slice(n * 4, n * 4 + 4)] : []))), {
        width: image.shape[2],
        height: image.shape[1],
      }),
    );
    const shape = image.shape.slice(0, 3) as StepBatch['shape'];
    const { items } = await step.run(
      { images: image.data as Uint8Array, shape, labels: perImage },
      rates,
      freshCounters(),
    );
    const columns: string[] = training.meta.columns;
    const first = pick(training, 'steps').data;
    const want = ['box_loss', 'cls_loss', 'dfl_loss'].map((name) => Number(first[columns.indexOf(name)]));
    expectClose({ shape: [3], data: items }, { shape: [3], data: want }, { rtol: 1e-3, relativeTo: 'each' });
    step.dispose();
  });

  it.each([
    [1, 3],
    [2, 5],
  ])('the gradient of a depthwise filter with stride %i and %i cells a side is that of elsewhere', (stride, k) => {
    tf.tidy(() => {
      const x = tf.randomNormal<tf.Rank.R4>([2, 9, 12, 4], 0, 1, 'float32', 1);
      const w = tf.randomNormal([k, k, 1, 4], 0, 1, 'float32', 2);
      const by = (conv: (w: tf.Tensor) => tf.Tensor) => tf.grad((w) => tf.sum(tf.square(conv(w))))(w);
      const [p, c] = [k >> 1, 4];
      const sides: [number, number][] = [
        [0, 0],
        [p, p],
        [p, p],
        [0, 0],
      ];
      const stock = (w: tf.Tensor) =>
        tf.depthwiseConv2d(tf.pad(x, sides), tf.reshape<tf.Rank.R4>(w, [k, k, c, 1]), stride, 'valid');
      const run = compile((inputs: { x: tf.Tensor }) => ({ y: by((w) => depthwiseConv2d(inputs.x, w, stride)) }));
      const [got, want] = [run({ x }).y, by(stock)];
      const read = (t: tf.Tensor) => ({ shape: t.shape, data: t.dataSync() });
      expectClose(read(got), read(want), { rtol: 1e-5 });
      run.dispose();
    });
  });

  it.runIf(gpuReady())('the kernels that were written down are those of the CUDA build', async () => {
    await expect(written(registry)).toMatchFileSnapshot(GOLDEN);
  });
});
