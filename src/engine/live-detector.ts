/**
 * A detector over weights that change: validation while training. The folded weights are inputs of the graph, so that it is
 * traced once for each shape of batch and serves all epochs; the validation loss comes out of the same pass.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { NamedArray } from '../core/types.js';
import { compile } from '../graph/compile.js';
import { detectionLoss, type LossGains } from '../loss/detection.js';
import { decode } from '../nn/decode.js';
import type { Detector, InferOutput } from '../nn/detector.js';
import { foldForBytes } from '../nn/fold.js';
import { type Network, type Params, toTensors } from '../nn/model.js';
import type { ModelSpec } from '../nn/model-yaml.js';
import { type LabelTensors, labelSlots, padLabels } from './label-tensors.js';

type Input = { images: tf.Tensor; labels: LabelTensors; params: Params };

/** How the loss is computed. */
export interface LiveLoss {
  gains: LossGains;
  classWeights?: number[];
  /** Labels of the picture that has most, where that is known: then no graph has to be traced again for more. */
  mostLabels?: number;
}

export interface LiveOutput extends InferOutput {
  /** Box, class and DFL loss with their gains, as while training. */
  items: [box: number, cls: number, dfl: number];
}

export class LiveDetector implements Detector {
  readonly names: string[];
  readonly stride: number;
  readonly engine: string;
  private readonly run;
  private readonly spec: ModelSpec;
  private params: Params = {};
  /** What pictures are multiplied by before the network: the same for all weights of a network. */
  private scale = 1;
  private slots: number;

  constructor(network: Network, names: string[], loss: LiveLoss, engine = `TensorFlow (${tf.getBackend()})`) {
    this.names = names;
    this.spec = network.spec;
    this.stride = network.spec.stride;
    this.engine = engine;
    this.slots = labelSlots(loss.mostLabels ?? 1);
    this.run = compile(
      ({ images, labels, params }: Input) => {
        const head = network.forward(tf.mul(images, this.scale) as tf.Tensor4D, params);
        return { output: decode(head), items: detectionLoss(head, labels, loss).items };
      },
      { name: 'validation' },
    );
  }

  /** @param weights unfolded, as in a checkpoint */
  setWeights(weights: ReadonlyMap<string, NamedArray>): void {
    tf.dispose(this.params);
    const { folded, scale } = foldForBytes(weights, this.spec);
    this.params = toTensors(folded);
    this.scale = scale;
  }

  async infer(images: Uint8Array, shape: [batch: number, height: number, width: number]): Promise<InferOutput> {
    return this.inferWithLoss(
      images,
      shape,
      Array.from({ length: shape[0] }, () => new Float32Array(0)),
    );
  }

  /** @param labels rows class cx cy w h in 0..1 of the network's input, one array a picture */
  async inferWithLoss(
    images: Uint8Array,
    shape: [batch: number, height: number, width: number],
    labels: Float32Array[],
  ): Promise<LiveOutput> {
    const [b, h, w] = shape;
    const padded = padLabels(labels, [h, w], this.slots);
    this.slots = padded.slots;
    const out = this.run({
      images: { data: images, shape: [b, h, w, 3] },
      labels: padded.tensors,
      params: this.params,
    });
    const items = Array.from(out.items.dataSync()) as LiveOutput['items'];
    const result = {
      data: out.output.dataSync<'float32'>(),
      shape: [...out.output.shape] as InferOutput['shape'],
      items,
    };
    tf.dispose({ ...out, ...padded.tensors });
    return result;
  }

  dispose(): void {
    tf.dispose(this.params);
    this.run.dispose();
  }
}
