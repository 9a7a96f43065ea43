/**
 * A SavedModel in a folder as a detector, run by the native engine: what this project exports, with its metadata.yaml
 * beside it. Input and output are those of the signature serving_default.
 */
import { closeSync, existsSync, fstatSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { readYamlObject } from '../../cfg/yaml.js';
import { UserError } from '../../core/errors.js';
import { TYPE_NUMBER } from '../../graph/graph.js';
import { NATIVE } from '../../graph/raw.js';
import { Session } from '../../graph/saved-model-session.js';
import { bytesFields, intFields, type ProtoField, readFields, stringField } from '../../io/protobuf.js';
import { readSpan, spansOf } from '../../io/protobuf-file.js';
import type { Detector } from '../detector.js';
import { ExportedDetector } from './exported.js';
import { type Contract, type Description, type Port, readContract, reading, unusable } from './exported-metadata.js';

/**
 * @param dir the folder, or its saved_model.pb
 * @param engine what to call the engine
 * @throws UserError when another engine is in use, files are missing or damaged, or it is no detection model
 */
export async function createSavedModelDetector(dir: string, engine: string = tf.getBackend()): Promise<Detector> {
  const path = dir.endsWith('.pb') ? dir : join(dir, 'saved_model.pb');
  const folder = dirname(path);
  const contract = readContract(path, {
    ...reading(path, () => servingDefault(path)),
    metadata: readMetadata(join(folder, 'metadata.yaml')),
  });
  if (tf.getBackend() !== NATIVE)
    throw new UserError(
      'needs-native',
      `a SavedModel is run by the native engine; '${tf.getBackend()}' runs here`,
      'run: yolo setup (or export with format=tfjs or onnx)',
    );
  try {
    return new SavedModelDetector(
      path,
      new Session(folder, [contract.input.tensor], [contract.output.tensor]),
      contract,
      engine,
    );
  } catch (error) {
    throw unusable(path, 'loaded', error);
  }
}

function readMetadata(path: string): Record<string, unknown> {
  return existsSync(path) ? readYamlObject(path, 'names and stride') : {};
}

const TYPE_OF = new Map(
  Object.entries(TYPE_NUMBER).map(([name, number]) => [number, name === 'float32' ? 'DT_FLOAT' : name]),
);

/** The signature, without the graph. Field numbers: tensorflow/core/protobuf/{saved_model,meta_graph}.proto. */
function servingDefault(path: string): Omit<Description, 'metadata'> {
  const fd = openSync(path, 'r');
  try {
    const graphs = spansOf(fd, 0, fstatSync(fd).size).filter(({ field }) => field === 2);
    const entries = graphs.flatMap(({ start, length }) => spansOf(fd, start, start + length));
    for (const entry of entries.filter(({ field }) => field === 5)) {
      const [name, signature] = keyed(readSpan(fd, entry));
      if (name === 'serving_default') return portsOf(signature);
    }
  } finally {
    closeSync(fd);
  }
  throw new Error('it has no signature serving_default');
}

function portsOf(signature: readonly ProtoField[]): Omit<Description, 'metadata'> {
  const inputs = bytesFields(signature, 1).map(port);
  const outputs = bytesFields(signature, 2).map(port);
  if (inputs.length !== 1 || outputs.length !== 1)
    throw new Error(`serving_default has ${inputs.length} inputs and ${outputs.length} outputs, not one of each`);
  return { input: inputs[0], output: outputs[0] };
}

/** An entry of a map whose values are messages. */
function keyed(entry: Uint8Array): [name: string | undefined, fields: ProtoField[]] {
  const fields = readFields(entry);
  return [stringField(fields, 1), readFields(bytesFields(fields, 2)[0] ?? new Uint8Array())];
}

function port(entry: Uint8Array): Port {
  const [, info] = keyed(entry);
  const shape = readFields(bytesFields(info, 3)[0] ?? new Uint8Array());
  return {
    tensor: stringField(info, 1) ?? '',
    dtype: TYPE_OF.get(intFields(info, 2)[0]) ?? 'unknown',
    shape: bytesFields(shape, 2).map((dim) => intFields(readFields(dim), 1)[0] ?? 0),
  };
}

class SavedModelDetector extends ExportedDetector {
  constructor(
    path: string,
    private readonly session: Session,
    contract: Contract,
    engine: string,
  ) {
    super(path, contract, engine);
  }

  protected run(x: tf.Tensor4D): tf.Tensor {
    return this.session.run([x])[0];
  }

  dispose(): void {
    this.session.dispose();
  }
}
