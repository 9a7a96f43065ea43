/** Settings of a session as a ConfigProto: tensorflow/core/protobuf/{config,rewriter_config}.proto. */
import { concat, double, message, string, varint } from '../io/protobuf.js';

/** Settings of a session. */
export interface SessionConfig {
  /** Threads within an op; the first session of a process decides. Default: TensorFlow's. */
  intraThreads?: number;
  /** Threads for independent ops; the first session of a process decides. Default: TensorFlow's. */
  interThreads?: number;
  /** GPUs; false: none are used. */
  gpu?: false | GpuConfig;
  /** Ops without a kernel for the requested device run on another one. Default: true. */
  softPlacement?: boolean;
  /** Writes to standard error which device each op was placed on. */
  logPlacement?: boolean;
  /** Graph optimisations (Grappler: constant folding, layout, fusion). Default: true. */
  rewriter?: boolean;
  /** Index of this process in the cluster of a server (server.ts): its graphs are placed on its own devices. */
  worker?: number;
}

/** Settings for GPUs (GPUOptions). */
export interface GpuConfig {
  /** Numbers of the GPUs to use, e.g. '0,1'. Default: all. */
  visible?: string;
  /** Allocates memory on demand instead of all at the start. Default: true. */
  growth?: boolean;
  /** Maximum fraction of a GPU's memory, 0..1. */
  memoryFraction?: number;
}

const OFF = 2; // RewriterConfig.Toggle

/** The name that TensorFlow has for a worker of a cluster. */
export const workerName = (index: number): string => `/job:worker/replica:0/task:${index}`;

/** @returns a serialised ConfigProto */
export function configProto(config: SessionConfig): Uint8Array {
  const {
    intraThreads,
    interThreads,
    gpu = {},
    softPlacement = true,
    logPlacement = false,
    rewriter = true,
    worker,
  } = config;
  // Automatic mixed precision is always off, also where an environment variable enables it: it would apply to the loss.
  const rewriting = concat(!rewriter && varint(19, true), varint(23, OFF), varint(31, OFF));
  return concat(
    gpu === false && message(1, string(1, 'GPU'), varint(2, 0)),
    intraThreads !== undefined && varint(2, intraThreads),
    worker !== undefined && string(4, workerName(worker)),
    interThreads !== undefined && varint(5, interThreads),
    gpu !== false && message(6, gpuOptions(gpu)),
    varint(7, softPlacement),
    varint(8, logPlacement),
    message(10, message(10, rewriting)),
    worker !== undefined && message(16, string(1, workerName(0))), // the leader of collective operations
  ).finish();
}

function gpuOptions({ visible, growth = true, memoryFraction }: GpuConfig) {
  return concat(
    memoryFraction !== undefined && double(1, memoryFraction),
    varint(4, growth),
    visible !== undefined && string(5, visible),
  );
}
