/**
 * The interface of all models in prediction and validation: this project's network (native or wasm engine), an ONNX file,
 * a TensorFlow.js GraphModel, a SavedModel.
 */
import type { Trained } from '../nn/trained.js';

/** A model that predicts boxes and scores for a batch of images. */
export interface Detector {
  /** Class names by index; K = names.length. */
  readonly names: string[];
  /** Height and width of the input must be multiples of this. */
  readonly stride: number;
  /** [H, W] of an exported model with a fixed input shape, else undefined. */
  readonly fixedShape?: [height: number, width: number];
  /** Batch size of an exported model with a fixed batch size, else undefined. */
  readonly fixedBatch?: number;
  /** Name of the engine for messages: 'TensorFlow 2.21.0 (CPU)', 'wasm, 2 threads', 'onnxruntime 1.30'. */
  readonly engine: string;
  /** Number of calls that it executes at the same time. Undefined: 1. */
  readonly atOnce?: number;
  /** Training settings, where the model file has them. */
  trained?: Trained;
  /** True when the graph includes non-maximum suppression: `infer` then returns [B, N, 6] x1 y1 x2 y2 confidence class. */
  readonly endToEnd?: boolean;
  /**
   * @param images [B, H, W, 3] RGB 0..255
   * @param options signal: removes the call from the queue when aborted
   * @returns predictions [B, 4 + K, A]: cx cy w h in pixels of the network's input, then K scores 0..1
   */
  infer(
    images: Uint8Array,
    shape: [batch: number, height: number, width: number],
    options?: { signal?: AbortSignal },
  ): Promise<InferOutput>;
  /**
   * Predictions of the anchors with a score above `minScore`; undefined where the selection saves no time.
   * @returns for each image an output [1, 4 + K, n], columns in the order of anchors
   */
  inferAbove?(
    images: Uint8Array,
    shape: [batch: number, height: number, width: number],
    minScore: number,
    options?: { signal?: AbortSignal },
  ): Promise<InferOutput[]>;
  dispose(): void;
}

/** Output of a detector. */
export interface InferOutput {
  data: Float32Array;
  shape: [batch: number, rows: number, columns: number];
}
