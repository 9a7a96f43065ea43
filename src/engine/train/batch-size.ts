/**
 * What a training step needs in memory, estimated from the network before anything runs: `batch=-1` chooses by it, and a
 * batch that will not fit is warned of.
 */
import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';
import { log } from '../../core/log.js';
import { costOf } from '../../nn/cost.js';
import type { ModelSpec } from '../../nn/model-yaml.js';

/**
 * Bytes that stay in memory through a step for each activation. A convolution's output is kept for its
 * BatchNorm, the normalised one for the SiLU, the activated one for the next layer, and backward needs about as much at
 * its widest place: measured on YOLOv8n and s at 320 and 640.
 */
const BYTES_PER_ACTIVATION = 4 * 4;
/** Engine, graphs, JavaScript and worker threads. */
const BASE_BYTES = 900e6;
/** Weights, EMA weights, momentum, accumulated gradients, and the new values of each while they replace the old. */
const COPIES_OF_WEIGHTS = 8;
/** The share of the available memory that `batch=-1` may use. */
const SHARE_OF_FREE = 0.6;

/** Values that all convolutions and poolings put out for one image of this size. */
function activations(spec: ModelSpec, imgsz: number): number {
  return costOf(spec, [imgsz, imgsz]).layers.reduce((sum, layer) => sum + layer.activations, 0);
}

/** Estimated peak memory of training, bytes. */
function trainingBytes(spec: ModelSpec, parameters: number, imgsz: number, batch: number): number {
  return BASE_BYTES + parameters * 4 * COPIES_OF_WEIGHTS + batch * activations(spec, imgsz) * BYTES_PER_ACTIVATION;
}

/** Available memory, bytes: MemAvailable where the system tells it, else free memory. */
function availableBytes(): number {
  try {
    const kb = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
    if (kb) return Number(kb) * 1024;
  } catch {
    // not Linux
  }
  return freemem();
}

/**
 * @param available bytes: of the GPU that computes, else of this machine
 * @returns the largest batch (a multiple of 2, at most 64) that fits; at least 1
 */
export function fittingBatch(spec: ModelSpec, parameters: number, imgsz: number, available = availableBytes()): number {
  const room = available * SHARE_OF_FREE;
  let batch = 1;
  while (batch < 64 && trainingBytes(spec, parameters, imgsz, batch === 1 ? 2 : batch + 2) <= room)
    batch = batch === 1 ? 2 : batch + 2;
  const need = trainingBytes(spec, parameters, imgsz, batch);
  log.info(`batch=-1: ${batch} images of ${imgsz} px take about ${gb(need)} of the ${gb(available)} available`);
  return batch;
}

/** Says before the run when it will not fit into `available` bytes. */
export function warnOfMemory(
  spec: ModelSpec,
  parameters: number,
  imgsz: number,
  batch: number,
  available = availableBytes(),
): void {
  const need = trainingBytes(spec, parameters, imgsz, batch);
  if (need <= available) return;
  log.warn(
    `batch=${batch} at imgsz=${imgsz} takes about ${gb(need)}, but only ${gb(available)} of memory are available; a smaller batch (or batch=-1) gives the same training, since gradients are accumulated to nbs`,
  );
}

const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
