/** An exported model in a folder as a detector, whatever runs its graph: bytes in, floats 0..1 through it, predictions out. */
import * as tf from '@tensorflow/tfjs-core';
import { toUnit } from '../../core/unit.js';
import type { Trained } from '../../nn/trained.js';
import type { Detector, InferOutput } from '../detector.js';
import { type Contract, unusable } from './exported-metadata.js';
import { inSteps } from './fixed-batch.js';

export abstract class ExportedDetector implements Detector {
  readonly names: string[];
  readonly stride: number;
  readonly fixedShape?: [height: number, width: number];
  readonly fixedBatch?: number;
  readonly trained: Trained;

  /** @param path for messages */
  constructor(
    private readonly path: string,
    contract: Contract,
    readonly engine: string,
  ) {
    this.names = contract.names;
    this.stride = contract.stride;
    this.fixedShape = contract.fixedShape;
    this.fixedBatch = contract.fixedBatch;
    this.trained = contract.trained;
  }

  /** @param x [B, H, W, 3] RGB 0..1 @returns [B, 4 + K, A]; called inside of a tidy */
  protected abstract run(x: tf.Tensor4D): tf.Tensor;
  abstract dispose(): void;

  async infer(images: Uint8Array, shape: [batch: number, height: number, width: number]): Promise<InferOutput> {
    return inSteps(images, shape, this.fixedBatch, async (part, [b, h, w]) => {
      const out = this.result(toUnit(part, b * h * w * 3), [b, h, w, 3]);
      try {
        return { data: (await out.data()) as Float32Array, shape: [...out.shape] as InferOutput['shape'] };
      } finally {
        out.dispose();
      }
    });
  }

  private result(values: Float32Array, shape: [number, number, number, number]): tf.Tensor {
    try {
      return tf.tidy(() => this.run(tf.tensor4d(values, shape)));
    } catch (error) {
      throw unusable(this.path, 'run', error);
    }
  }
}
