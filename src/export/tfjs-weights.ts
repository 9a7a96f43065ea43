/**
 * Weights as TensorFlow.js stores them (tfjs-core, io/types: WeightsManifestEntry): float32, float16, or 8 bits with
 * value = q · scale + min. All are float32 again once they are loaded.
 *
 * One scale for a whole kernel is too coarse: BatchNorm folded in, its channels differ in size by a hundred times (YOLOv8n:
 * scores move by 0.45). The format knows no more than one, so each channel's own scale is a part of the graph.
 */
import type { Graph, GraphNode, Literal } from '../graph/graph.js';
import { floatToHalf } from '../io/half.js';
import { bytesOf } from '../io/typed.js';
import { sizeOf } from '../nn/parameters.js';
import { isKernel, lazyConstant, literalOf } from './inference-graph.js';

export type WeightType = 'float32' | 'float16' | 'uint8';

/**
 * Kernels of fewer values keep 32 bits. They are no part of the size, and the first layer's rounding goes through all
 * others: so YOLOv8n's largest error of a score falls from 0.21 to 0.06.
 */
const MIN_VALUES = 4096;

/** The type in which a constant of the graph is stored when kernels are stored as `type`. */
export function storedAs(literal: Literal, type: WeightType): WeightType {
  if (!isKernel(literal)) return 'float32';
  return type === 'uint8' && sizeOf(literal) < MIN_VALUES ? 'float32' : type;
}

export interface Encoded {
  bytes: Uint8Array;
  /** The manifest's entry but for the name. */
  entry: {
    shape: number[];
    dtype: 'float32' | 'int32';
    quantization?: { dtype: 'float16'; original_dtype: 'float32' } | Affine;
  };
}

interface Affine {
  dtype: 'uint8';
  original_dtype: 'float32';
  scale: number;
  min: number;
}

/** @param literal float32 or int32; only float32 can be stored as another type, 8 bits only whole numbers -128..127 */
export function encodeWeight({ dtype, shape, values }: Literal, type: WeightType): Encoded {
  if (dtype !== 'float32' && dtype !== 'int32') throw new Error(`a constant of type ${dtype} can't be stored`);
  const all = whole(values, shape);
  if (dtype === 'int32' || type === 'float32') return { bytes: bytesOf(all), entry: { shape, dtype } };
  if (type === 'float16') {
    const bytes = bytesOf(floatToHalf(all as Float32Array));
    return { bytes, entry: { shape, dtype, quantization: { dtype: 'float16', original_dtype: 'float32' } } };
  }
  // -128 is q = 0; whole numbers come back exactly.
  const bytes = new Uint8Array(all.length); // (its own from() makes a list of all numbers first)
  for (let i = 0; i < bytes.length; i++) bytes[i] = all[i] + 128;
  return {
    bytes,
    entry: { shape, dtype, quantization: { dtype: 'uint8', original_dtype: 'float32', scale: 1, min: -128 } },
  };
}

/**
 * Each large kernel as whole numbers -127..127 times a scale for each output channel, multiplied when the model runs (a
 * hundredth of the work of a convolution). No weight moves by more than half of its channel's scale.
 */
export function inEightBits(graph: Graph): Graph {
  const nodes = graph.nodes.flatMap((node): GraphNode[] => {
    const kernel = literalOf(node);
    if (!kernel || storedAs(kernel, 'uint8') !== 'uint8') return [node];
    const channels = kernel.shape[3];
    const values = () => kernel.values as Float32Array;
    const inputs = [
      lazyConstant(`${node.name}/steps`, kernel.shape, () => stepsOf(values(), channels)),
      lazyConstant(`${node.name}/scale`, [channels], () => scalesOf(values(), channels)),
    ];
    const attrs = { T: { type: 'float32' } } as const;
    return [...inputs, { name: node.name, op: 'Mul', inputs: inputs.map(({ name }) => name), attrs }];
  });
  return { ...graph, nodes };
}

function stepsOf(kernel: Float32Array, channels: number): Float32Array {
  const scales = scalesOf(kernel, channels);
  return kernel.map((w, i) => Math.round(w / scales[i % channels]));
}

/** What a step of each output channel is worth. @param kernel [h, w, i, o] */
function scalesOf(kernel: Float32Array, channels: number): Float32Array {
  const scales = new Float32Array(channels);
  for (let i = 0; i < kernel.length; i++) scales[i % channels] = Math.max(scales[i % channels], Math.abs(kernel[i]));
  return scales.map((largest) => largest / 127 || 1);
}

/** One stored element stands for all. */
function whole(values: Literal['values'], shape: readonly number[]): Literal['values'] {
  const size = shape.reduce((a, b) => a * b, 1);
  if (values.length === size) return values;
  return values instanceof Float32Array ? new Float32Array(size).fill(values[0]) : new Int32Array(size).fill(values[0]);
}
