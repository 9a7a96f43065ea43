/** Settings of a session, as the message that TensorFlow reads: tensorflow/core/protobuf/{config,rewriter_config}.proto. */
import { concat, double, message, string, varint } from '../io/protobuf.js';

export interface SessionConfig {
  /** Threads that one op is spread over, and threads for ops side by side; the first session of a process decides. */
  intraThreads?: number;
  interThreads?: number;
  /** GPUs; false touches none. */
  gpu?: false | GpuConfig;
  /** An op that the asked-for device has no kernel for runs on another one. Default: true. */
  softPlacement?: boolean;
  /** Writes to standard error which device each op was placed on. */
  logPlacement?: boolean;
  /** TensorFlow's optimiser of graphs (constant folding, layout, fusing). Default: true. */
  rewriter?: boolean;
}

export interface GpuConfig {
  /** Numbers of the GPUs to use, e.g. '0,1'; default: all. */
  visible?: string;
  /** Takes memory as it is needed, instead of all at the start. Default: true. */
  growth?: boolean;
  /** The part of a GPU's memory to use at most, 0..1. */
  memoryFraction?: number;
}

const OFF = 2; // RewriterConfig.Toggle

/** ConfigProto. */
export function configProto(config: SessionConfig): Uint8Array {
  const { intraThreads, interThreads, gpu = {}, softPlacement = true, logPlacement = false, rewriter = true } = config;
  // Mixed precision stays off, whatever the environment says: it would compute losses in bfloat16, too.
  const rewriting = concat(!rewriter && varint(19, true), varint(23, OFF), varint(31, OFF));
  return concat(
    gpu === false && message(1, string(1, 'GPU'), varint(2, 0)),
    intraThreads !== undefined && varint(2, intraThreads),
    interThreads !== undefined && varint(5, interThreads),
    gpu !== false && message(6, gpuOptions(gpu)),
    varint(7, softPlacement),
    varint(8, logPlacement),
    message(10, message(10, rewriting)),
  ).finish();
}

function gpuOptions({ visible, growth = true, memoryFraction }: GpuConfig) {
  return concat(
    memoryFraction !== undefined && double(1, memoryFraction),
    varint(4, growth),
    visible !== undefined && string(5, visible),
  );
}
