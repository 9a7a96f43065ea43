/** The network with weights that change, and its loss: validation while training, and of a checkpoint. */
import type * as tf from '@tensorflow/tfjs-core';
import type { InferOutput } from '../../detect/detector.js';
import { NetworkDetector } from '../../detect/detectors/network.js';
import { valuesOf } from '../../graph/host-tensor.js';
import { detectionLoss, type LossGains } from '../../loss/detection.js';
import { type LabelTensors, labelSlots, paddedLabels } from '../../loss/label-tensors.js';
import type { Network } from '../../nn/model.js';

/** How the loss is computed. */
export interface LossSettings {
  gains: LossGains;
  classWeights?: number[];
  /** Labels of the image that has most, where that is known: then no graph has to be traced again for more. */
  mostLabels?: number;
}

/** Predictions of a batch, and its loss. */
export interface OutputWithLoss {
  /** Of each image: those with a score above the minimum, [1, 4 + K, n]. */
  outputs: InferOutput[];
  /** Box, class and DFL loss with their gains, as while training. */
  items: [box: number, cls: number, dfl: number];
}

/** A network that gives the loss along with its predictions. */
export class DetectorWithLoss extends NetworkDetector<LabelTensors, { items: tf.Tensor }> {
  private slots: number;

  constructor(network: Network, names: readonly string[], loss: LossSettings, engine?: string) {
    super(network, names, { engine }, (head, labels) => ({ items: detectionLoss(head, labels, loss).items }));
    this.slots = labelSlots(loss.mostLabels ?? 1);
  }

  /** @param labels [M, 5] class x1 y1 x2 y2, pixels of the network's input, each image */
  async inferWithLoss(
    images: Uint8Array,
    shape: [batch: number, height: number, width: number],
    labels: Float32Array[],
    minScore: number,
  ): Promise<OutputWithLoss> {
    const { tensors, slots } = paddedLabels(labels, this.slots);
    this.slots = slots;
    const { also, outputs } = await this.inferWith(images, shape, tensors, minScore);
    return { outputs, items: [...valuesOf(also.items, 'float32')] as OutputWithLoss['items'] };
  }
}
