/**
 * Mixed precision (`amp`): convolutions, their gradients and feature maps in bfloat16; weights, statistics, loss and update in
 * float32. bfloat16 has the exponent of float32, so that the loss needs no scaling (Kalamkar et al. 2019, "A Study of BFLOAT16
 * for Deep Learning Training"). amp=auto turns it on where a check of a few steps shows that its gradients agree and that it is
 * faster. Equal runs have to choose the same, but times vary: the check is made once for an engine and a processor, and its
 * result is kept in the engine's folder. With AMX bfloat16 takes half the time or less; the limit there only rejects a failure.
 */
import { createHash } from 'node:crypto';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { hasAmx, hasBfloat16, lacksBfloat16 } from '../../backend/bfloat16.js';
import type { Engine } from '../../backend/select-engine.js';
import { log } from '../../core/log.js';
import { rng } from '../../core/rng.js';
import { differentiate } from '../../graph/gradients.js';
import { type HostTensor, valuesOf } from '../../graph/host-tensor.js';
import { type Plan, Session } from '../../graph/session.js';
import { loadTensorflow } from '../../graph/tensorflow.js';
import { trace } from '../../graph/trace.js';
import { batchNormSilu } from '../../nn/fused.js';
import { conv2d } from '../../nn/kernels.js';
import { BN_EPS, BN_MOMENTUM } from '../../nn/ops.js';

/** The check's feature map [B, H, W, C], and its convolutions: a stage of YOLOv8n at 320 pixels. */
const SHAPE = [4, 80, 80, 32];
const FILTERS = 64;
const CONVOLUTIONS = [
  { kernel: [3, 3, 32, FILTERS], stride: 2 },
  { kernel: [1, 1, FILTERS, FILTERS], stride: 1 },
  { kernel: [3, 3, FILTERS, FILTERS], stride: 1 },
  { kernel: [1, 1, FILTERS, FILTERS], stride: 1 },
];
/** Of the check's inputs. */
const SHAPES = [SHAPE, ...CONVOLUTIONS.map(({ kernel }) => kernel)];
/** Steps of each precision, in turn. */
const STEPS = 10;
/** bfloat16 has to take less than this share of float32's time: where a gain is to be shown, and with AMX. */
const MAX_TIME = { otherwise: 0.9, amx: 1.2 };
/** Largest difference of a gradient that agrees, of its largest element: eight times bfloat16's own rounding. */
const MAX_DIFFERENCE = 8 * 2 ** -8;

export interface AmpCheck {
  /** Time of a step in bfloat16 over that in float32. */
  time: number;
  /** Largest difference of the gradients, of the largest element of each. */
  difference: number;
}

/** @param amp 'bf16' without a check; 'auto' after one @returns whether a run computes in bfloat16 */
export function chooseAmp(amp: 'auto' | 'bf16' | false, engine: Pick<Engine, 'gpu'>): boolean {
  if (amp === false) return false;
  const native = hasBfloat16(engine);
  if (amp === 'auto') {
    const amx = hasAmx(engine);
    const reason = native
      ? whyNot(keptCheck(engine), amx ? MAX_TIME.amx : MAX_TIME.otherwise)
      : `this ${engine.gpu ? 'GPU' : 'processor'} has no bfloat16 instructions`;
    const gain = amx ? 'this processor has AMX' : 'faster here';
    log.info(reason ? `amp=auto: float32 (${reason})` : `amp=auto: bfloat16 (${gain}, and gradients agree)`);
    return reason === undefined;
  }
  if (lacksBfloat16(engine)) log.warn('amp=bf16: this processor has no bfloat16 instructions; training will be slower');
  return true;
}

/** @returns undefined when bfloat16 pays and agrees */
function whyNot({ time, difference }: AmpCheck, maxTime: number): string | undefined {
  if (!(difference <= MAX_DIFFERENCE)) return `gradients in bfloat16 differ by ${(100 * difference).toFixed(1)} %`;
  return time < maxTime ? undefined : `bfloat16 takes ${time.toFixed(2)} of the time of float32 here`;
}

/** The result that an earlier run has kept; otherwise that of a check, kept for later ones where the folder is writable. */
function keptCheck({ gpu }: Pick<Engine, 'gpu'>): AmpCheck {
  const { TF_NUM_INTRAOP_THREADS: threads = availableParallelism(), ONEDNN_MAX_CPU_ISA: limit } = process.env;
  const key = JSON.stringify([cpus()[0]?.model, threads, limit, gpu?.name]);
  const name = `amp-${createHash('sha256').update(key).digest('hex').slice(0, 8)}.json`;
  const file = join(dirname(loadTensorflow().session), name);
  const known = readCheck(file);
  if (known) return known;
  const check = checkAmp();
  keepFirst(file, JSON.stringify(check));
  return readCheck(file) ?? check; // of two runs that check at the same time, the first decides
}

function readCheck(file: string): AmpCheck | undefined {
  try {
    const { time, difference } = JSON.parse(readFileSync(file, 'utf8'));
    return typeof time === 'number' && typeof difference === 'number' ? { time, difference } : undefined;
  } catch {
    return undefined;
  }
}

/** Writes a file, at once, unless it exists or can't be written. */
function keepFirst(file: string, text: string): void {
  const temporary = `${file}.${process.pid}`;
  try {
    writeFileSync(temporary, text);
    linkSync(temporary, file);
  } catch {
    // then each run checks for itself
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Convolutions with BatchNorm and SiLU and their gradients, in both precisions. */
export function checkAmp(): AmpCheck {
  const session = Session.open();
  try {
    const [float, half] = [false, true].map((half) => addTrial(session, half));
    const feeds = madeUpFeeds();
    const want = float.run(feeds); // the first runs are not timed
    const got = half.run(feeds);
    const best = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let step = 0; step < STEPS; step++) {
      [float, half].forEach((plan, k) => {
        const started = performance.now();
        plan.run(feeds);
        best[k] = Math.min(best[k], performance.now() - started);
      });
    }
    return { time: best[1] / best[0], difference: Math.max(...want.map((tensor, i) => differenceOf(tensor, got[i]))) };
  } finally {
    session.close();
  }
}

function addTrial(session: Session, half: boolean): Plan {
  const specs = SHAPES.map((shape) => ({ shape, dtype: 'float32' as const }));
  const traced = trace((inputs) => trialStep(inputs as unknown as tf.Tensor[]), specs, { half });
  const prefix = half ? 'bfloat16' : 'float32';
  session.add(traced.nodes, { prefix });
  const at = ({ node }: { node: string }): string => `${prefix}/${node}`;
  return session.plan({ name: 'the check of amp', feeds: traced.inputs.map(at), fetches: traced.outputs.map(at) });
}

/** @returns gradients of the kernels */
function trialStep([x, ...kernels]: tf.Tensor[]): tf.Tensor[] {
  const [zeros, ones] = [tf.zeros([FILTERS]), tf.ones([FILTERS])];
  const norm = { gamma: ones, beta: zeros, mean: zeros, variance: ones, epsilon: BN_EPS, momentum: BN_MOMENTUM };
  const forward = () => {
    const y = kernels.reduce((value, kernel, i) => {
      return batchNormSilu(conv2d(value, kernel, CONVOLUTIONS[i].stride), norm).y;
    }, x);
    return { loss: tf.mean(tf.square(y)), rest: {} };
  };
  return differentiate(forward, kernels).gradients;
}

function madeUpFeeds(): HostTensor<'float32'>[] {
  return SHAPES.map((shape, k) => {
    const random = rng(k);
    const data = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.uniform(-1, 1));
    return { dtype: 'float32', shape, data };
  });
}

/** Largest difference, of the largest element of `want`; NaN when something is not a number. */
function differenceOf(want: HostTensor, got: HostTensor): number {
  const [a, b] = [valuesOf(want, 'float32'), valuesOf(got, 'float32')];
  let [difference, largest] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    difference = Math.max(difference, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(a[i]));
  }
  return difference / largest;
}
