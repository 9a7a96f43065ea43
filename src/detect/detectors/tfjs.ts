/**
 * A TensorFlow.js GraphModel (model.json and shards) as a detector: the same files that a browser loads. It is run in a
 * TensorFlow session if TensorFlow is loaded, else by TensorFlow.js. Supports models exported by this project.
 */
import { readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { io } from '@tensorflow/tfjs-core';
import { UserError } from '../../core/errors.js';
import { Session } from '../../graph/session.js';
import { loadedTensorflow } from '../../graph/tensorflow.js';
import type { Detector } from '../detector.js';
import { SessionDetector } from './exported.js';
import { type Contract, type Port, readContract, reading, unusable } from './exported-metadata.js';
import { addGraphModel, bytesOf } from './tfjs-graph.js';

/** One input or output in model.json. */
interface PortJson {
  name: string;
  dtype: string;
  tensorShape: { dim?: { size: string }[] };
}

/**
 * Creates a detector.
 * @param dir the folder, or its model.json
 * @param engine name of the engine
 * @throws UserError 'missing-file', 'bad-model'; 'wrong-model' when it is not a detection model
 */
export async function createTfjsDetector(dir: string, engine = 'TensorFlow'): Promise<Detector> {
  const path = dir.endsWith('.json') ? dir : join(dir, 'model.json');
  const json = reading(path, () => JSON.parse(readFileSync(path, 'utf8')) as io.ModelJSON);
  if (json.format !== 'graph-model')
    throw new UserError(
      'wrong-model',
      `${path}: expected a graph-model, got ${JSON.stringify(json.format)}`,
      'layers models are not supported; export with format=tfjs',
    );
  const contract = readContract(path, {
    ...reading(path, () => ports(json.signature as Record<'inputs' | 'outputs', Record<string, PortJson>>)),
    metadata: json.userDefinedMetadata ?? {},
  });
  const shards = findShards(path, json.weightsManifest);
  try {
    if (loadedTensorflow()) return runBySession(path, json, shards, contract, engine);
    const { createEagerDetector } = await import('./tfjs-eager.js');
    return await createEagerDetector(path, json, shards, contract, engine);
  } catch (error) {
    throw unusable(path, 'loaded', error);
  }
}

function runBySession(
  path: string,
  json: io.ModelJSON,
  shards: readonly string[],
  contract: Contract,
  engine: string,
): Detector {
  const session = Session.open();
  try {
    addGraphModel(session, json, shards);
    return new SessionDetector(path, session, contract, engine);
  } catch (error) {
    session.close();
    throw error;
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

/** @returns paths of all shards @throws UserError 'missing-file', 'bad-model' when their size is not that of the weights */
function findShards(path: string, manifest: io.WeightsManifestConfig): string[] {
  const files = manifest.flatMap((group) => group.paths).map((name) => join(dirname(path), name));
  const length = files.reduce((sum, file) => sum + reading(file, () => statSync(file)).size, 0);
  const wanted = manifest.flatMap((group) => group.weights).reduce((sum, entry) => sum + bytesOf(entry), 0);
  if (length !== wanted)
    throw new UserError(
      'bad-model',
      `${path} lists ${wanted} bytes of weights, but its shards have ${length}`,
      'export the model again',
    );
  return files;
}
