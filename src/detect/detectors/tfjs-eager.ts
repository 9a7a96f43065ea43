/** A TensorFlow.js GraphModel run by TensorFlow.js: the same files and the same code as in a browser. */
import { readFileSync } from 'node:fs';
import { ReadableStream } from 'node:stream/web';
import type { GraphModel } from '@tensorflow/tfjs-converter';
import * as converter from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import type { HostTensor } from '../../graph/host-tensor.js';
import type { Detector } from '../detector.js';
import { ExportedDetector } from './exported.js';
import type { Contract } from './exported-metadata.js';

/** Creates a detector. @param json contents of model.json @param shards paths of the weights */
export async function createEagerDetector(
  path: string,
  json: tf.io.ModelJSON,
  shards: readonly string[],
  contract: Contract,
  engine: string,
): Promise<Detector> {
  // As a stream, so that the weights are not in memory twice.
  const { weightsManifest, ...rest } = json;
  const artifacts = {
    ...rest,
    weightSpecs: weightsManifest.flatMap((group) => group.weights),
    getWeightStream: () => streamOf(shards),
  };
  const model = await converter.loadGraphModel({ load: async () => artifacts });
  return new EagerDetector(path, model, contract, engine);
}

/** Yields one shard after the other, read on demand. */
function streamOf(files: readonly string[]): ReadableStream {
  let next = 0;
  return new ReadableStream({
    pull(controller) {
      if (next === files.length) return controller.close();
      const shard = readFileSync(files[next++]);
      controller.enqueue(shard.buffer.slice(shard.byteOffset, shard.byteOffset + shard.length));
    },
  });
}

class EagerDetector extends ExportedDetector {
  constructor(
    path: string,
    private readonly model: GraphModel,
    private readonly contract: Contract,
    engine: string,
  ) {
    super(path, contract, engine);
  }

  protected override get imagesAtOnce(): number {
    return this.fixedBatch ?? 1;
  }

  protected async run({ data, shape }: HostTensor<'float32'>): Promise<HostTensor<'float32'>> {
    const { input, output } = this.contract;
    const y = tf.tidy(
      () => this.model.execute({ [input.tensor]: tf.tensor(data, [...shape]) }, output.tensor) as tf.Tensor,
    );
    try {
      return { dtype: 'float32', shape: y.shape, data: (await y.data()) as Float32Array };
    } finally {
      y.dispose();
    }
  }

  dispose(): void {
    this.model.dispose();
  }
}
