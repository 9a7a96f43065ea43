/**
 * What prediction and validation need of a model, whatever runs it: this project's network (native or wasm engine),
 * an ONNX file, a TensorFlow.js GraphModel, a SavedModel.
 */
import type { Trained } from '../nn/trained.js';

export interface Detector {
  /** Class names by index; K = names.length. */
  readonly names: string[];
  /** Images must be multiples of this in height and width. */
  readonly stride: number;
  /** [H, W] that the model insists on (an exported model with a fixed shape), else undefined. */
  readonly fixedShape?: [height: number, width: number];
  /** Batch size that the model insists on, else undefined. */
  readonly fixedBatch?: number;
  /** Which engine runs it, for people: 'TensorFlow 2.21.0 (CPU)', 'wasm, 2 threads', 'onnxruntime 1.30'. */
  readonly engine: string;
  /** How it was made, where the file says it. */
  trained?: Trained;
  /** True when the exported graph ends in final detections (export nms=true): `infer` then returns [B, N, 6] rows x1 y1 x2 y2 confidence class. */
  readonly endToEnd?: boolean;
  /**
   * @param images [B, H, W, 3] RGB 0..255, row by row
   * @param options signal: aborted, it takes away a call that waits for its turn
   * @returns predictions [B, 4 + K, A]: cx cy w h in pixels of the network's input, then K scores 0..1
   */
  infer(
    images: Uint8Array,
    shape: [batch: number, height: number, width: number],
    options?: { signal?: AbortSignal },
  ): Promise<InferOutput>;
  /**
   * The same for anchors with a score above `minScore` alone; absent where that saves nothing.
   * @returns one output [1, 4 + K, n] an image, columns in the order of anchors
   */
  inferAbove?(
    images: Uint8Array,
    shape: [batch: number, height: number, width: number],
    minScore: number,
    options?: { signal?: AbortSignal },
  ): Promise<InferOutput[]>;
  dispose(): void;
}

export interface InferOutput {
  data: Float32Array;
  shape: [batch: number, rows: number, columns: number];
}
