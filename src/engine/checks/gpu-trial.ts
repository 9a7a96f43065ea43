/**
 * One trial of `yolo checks gpu`: a network trains and predicts on made-up images, in a process of its own, because a
 * process has one TensorFlow, and one that fails may end it.
 */
import { createHash } from 'node:crypto';
import { gpuLibraries } from '../../../bin/setup/gpu-paths.mjs';
import { selectEngine } from '../../backend/select-engine.js';
import { messageOf } from '../../core/errors.js';
import { median } from '../../core/median.js';
import { createDetector } from '../../detect/detectors/network.js';
import { loadTensorflow, tensorflowFiles } from '../../graph/tensorflow.js';
import { toFile } from '../../nn/layout.js';
import { buildNetwork, type Network } from '../../nn/model.js';
import { parseModelYaml } from '../../nn/model-yaml.js';
import type { TrainState } from '../train/state.js';
import { freshCounters } from '../train/step.js';
import { SYNTHETIC_RATES, syntheticBatch, syntheticStep } from '../train/synthetic-batch.js';

export interface TrialRequest {
  /** cuda-on-cpu: the CUDA build, with the graphs that a GPU would get, on the CPU. */
  engine: 'cpu' | 'cuda-on-cpu' | 'gpu';
  /** Number of the GPU. */
  device: number;
  deterministic: boolean;
  tf32: boolean;
  /** Writes to standard output on which device TensorFlow places each node: `placementOf` reads it. */
  placement?: boolean;
  /** Measures how long a step and a prediction take. */
  speed?: boolean;
}

export interface TrialResult {
  engine: string;
  /** Losses and gradient norm of each step. */
  steps: number[][];
  /** Of all weights after the last step. */
  digest: string;
  /** Milliseconds an image; a text says why there are none. */
  speed: Record<string, number | string>;
}

/** Steps whose numbers are compared, on images of this many pixels. */
const STEPS = 3;
const SMALL = { batch: 4, imgsz: 160 };
const GAINS = { box: 7.5, cls: 0.5, dfl: 1.5 };
/** Minimum score of a detection. */
const MIN_SCORE = 0.25;
const WARM_UP = 5;
const MEASURED = 20;

/** @throws what the engine throws when it does not work */
export async function runTrial({
  engine,
  device,
  deterministic,
  tf32,
  placement,
  speed,
}: TrialRequest): Promise<TrialResult> {
  if (engine === 'cuda-on-cpu')
    loadTensorflow({ ...tensorflowFiles()!, libraries: gpuLibraries(), ops: [], gpu: true });
  const { description } = await selectEngine({ device: engine === 'gpu' ? device : 'cpu', deterministic, tf32 });
  const network = buildNetwork(parseModelYaml('yolov8n.yaml', { nc: 80 }));
  const step = syntheticStep(network, { gains: GAINS }, { logPlacement: placement });
  const counters = freshCounters();
  const steps: number[][] = [];
  for (let i = 0; i < STEPS; i++) {
    const { items, norm } = await step.run(syntheticBatch(SMALL.batch, SMALL.imgsz), SYNTHETIC_RATES, counters);
    steps.push([...items, norm ?? Number.NaN]);
  }
  const digest = digestOf(step.read());
  step.dispose();
  return { engine: description, steps, digest, speed: speed ? await measured(network) : {} };
}

function digestOf({ model }: TrainState): string {
  const hash = createHash('sha256');
  for (const [name, { data }] of Object.entries(model)) hash.update(name).update(data);
  return hash.digest('hex');
}

async function measured(network: Network): Promise<Record<string, number | string>> {
  const out: Record<string, number | string> = {};
  const measure = async (name: string, batch: number, work: () => Promise<unknown>): Promise<void> => {
    try {
      out[name] = (await millisecondsOf(work)) / batch;
    } catch (error) {
      out[name] = messageOf(error).split('\n')[0];
    }
  };
  await measure('training 640 b16', 16, stepping(network, 16, 640));
  const weights = new Map(Object.entries(network.init(0)).map(([name, array]) => [name, toFile(array)]));
  const detector = await createDetector({ spec: network.spec, weights, names: [] });
  for (const batch of [1, 8]) {
    const { images } = syntheticBatch(batch, 640);
    await measure(`prediction 640 b${batch}`, batch, () => detector.inferAbove!(images, [batch, 640, 640], MIN_SCORE));
  }
  detector.dispose();
  return out;
}

function stepping(network: Network, batch: number, imgsz: number): () => Promise<unknown> {
  const step = syntheticStep(network, { gains: GAINS });
  const data = syntheticBatch(batch, imgsz);
  const counters = freshCounters();
  return () => step.run(data, SYNTHETIC_RATES, counters);
}

/** Median milliseconds of a call. */
async function millisecondsOf(work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < WARM_UP + MEASURED; i++) {
    const start = performance.now();
    await work();
    if (i >= WARM_UP) times.push(performance.now() - start);
  }
  return median(times);
}

/** What TensorFlow wrote of a trial with `placement`: how many nodes are on a device, and which ops are on the CPU. */
export function placementOf(output: string): { nodes: Record<string, number>; onCpu: Record<string, number> } {
  const nodes: Record<string, number> = {};
  const onCpu: Record<string, number> = {};
  const seen = new Set<string>();
  for (const [, name, op, device] of output.matchAll(/^(\S+): \((\w+)\): \S*device:(\w+):\d+$/gm)) {
    if (seen.has(name)) continue; // placed anew for each set of fetches
    seen.add(name);
    nodes[device] = (nodes[device] ?? 0) + 1;
    if (device === 'CPU') onCpu[op] = (onCpu[op] ?? 0) + 1;
  }
  return { nodes, onCpu };
}
