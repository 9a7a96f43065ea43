/**
 * A TensorFlow.js GraphModel in a folder (model.json and shards) as a detector, on the engine that is in use: the same
 * files that a browser loads. Takes what this project exports.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ReadableStream } from 'node:stream/web';
import type { GraphModel } from '@tensorflow/tfjs-converter';
import * as converter from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../core/errors.js';
import { handingOver } from '../../graph/saved-model-session.js';
import type { Detector } from '../detector.js';
import { ExportedDetector } from './exported.js';
import { type Contract, type Port, readContract, reading, unusable } from './exported-metadata.js';

/** One input or output in model.json. */
interface PortJson {
  name: string;
  dtype: string;
  tensorShape: { dim?: { size: string }[] };
}

/**
 * @param dir the folder, or its model.json
 * @param engine what to call the engine
 * @throws UserError when files are missing or damaged, or it is no detection model
 */
export async function createTfjsDetector(dir: string, engine: string = tf.getBackend()): Promise<Detector> {
  const path = dir.endsWith('.json') ? dir : join(dir, 'model.json');
  const json = reading(path, () => JSON.parse(readFileSync(path, 'utf8')) as tf.io.ModelJSON);
  if (json.format !== 'graph-model')
    throw new UserError(
      'wrong-model',
      `${path}: expected a graph-model, got ${JSON.stringify(json.format)}`,
      'layers-models are not run; export with format=tfjs',
    );
  const contract = readContract(path, {
    ...reading(path, () => ports(json.signature as Record<'inputs' | 'outputs', Record<string, PortJson>>)),
    metadata: json.userDefinedMetadata ?? {},
  });
  const shards = findShards(path, json.weightsManifest);
  try {
    // Weight by weight: at no time all of them lie in memory twice.
    const { weightsManifest, ...rest } = json;
    const artifacts = {
      ...rest,
      weightSpecs: weightsManifest.flatMap((group) => group.weights),
      getWeightStream: () => streamOf(shards),
    };
    const model = await handingOver(() => converter.loadGraphModel({ load: async () => artifacts }));
    return new TfjsDetector(path, model, contract, engine);
  } catch (error) {
    throw unusable(path, 'loaded', error);
  }
}

function ports({ inputs, outputs }: Record<'inputs' | 'outputs', Record<string, PortJson>>): {
  input: Port;
  output: Port;
} {
  const [input, ...others] = Object.values(inputs);
  const [output, ...more] = Object.values(outputs);
  if (!input || !output || others.length || more.length) throw new Error('it has more than one input or output');
  const port = ({ name, dtype, tensorShape }: PortJson): Port => ({
    tensor: name,
    dtype,
    shape: (tensorShape.dim ?? []).map(({ size }) => Number(size)),
  });
  return { input: port(input), output: port(output) };
}

/** Paths of all shards, whose sizes are checked. */
function findShards(path: string, manifest: tf.io.WeightsManifestConfig): string[] {
  const files = manifest.flatMap((group) => group.paths).map((name) => join(dirname(path), name));
  const length = files.reduce((sum, file) => sum + reading(file, () => statSync(file)).size, 0);
  const wanted = manifest.flatMap((group) => group.weights).reduce((sum, entry) => sum + bytesOf(entry), 0);
  if (length !== wanted)
    throw new UserError(
      'bad-model',
      `${path} lists ${wanted} bytes of weights, but its shards hold ${length}`,
      'export the model again',
    );
  return files;
}

/** One shard after the other, read when it is asked for. */
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

function bytesOf({ shape, quantization }: tf.io.WeightsManifestEntry): number {
  const each = { uint8: 1, uint16: 2, float16: 2 }[quantization?.dtype as string] ?? 4;
  return shape.reduce((a, b) => a * b, 1) * each;
}

class TfjsDetector extends ExportedDetector {
  constructor(
    path: string,
    private readonly model: GraphModel,
    private readonly contract: Contract,
    engine: string,
  ) {
    super(path, contract, engine);
  }

  protected run(x: tf.Tensor4D): tf.Tensor {
    const { input, output } = this.contract;
    return this.model.execute({ [input.tensor]: x }, output.tensor) as tf.Tensor;
  }

  dispose(): void {
    this.model.dispose();
  }
}
