/**
 * A SavedModel as a detector, run in a TensorFlow session. Supports models exported by this project, with metadata.yaml in
 * the same folder. Input and output are those of the signature serving_default. Field numbers:
 * tensorflow/core/protobuf/{saved_model,meta_graph,saver}.proto and tensorflow/core/framework/graph.proto.
 */
import { closeSync, existsSync, fstatSync, openSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readYamlObject } from '../../cfg/yaml.js';
import { UserError } from '../../core/errors.js';
import { TYPE_NAME, TYPE_NUMBER } from '../../graph/graph.js';
import { graphDef } from '../../graph/graphdef.js';
import { Session } from '../../graph/session.js';
import { loadedTensorflow } from '../../graph/tensorflow.js';
import {
  bytes,
  bytesFields,
  concat,
  intFields,
  type ProtoField,
  type ProtoPart,
  readFields,
  stringField,
} from '../../io/protobuf.js';
import { readSpan, type Span, spansOf } from '../../io/protobuf-file.js';
import type { Detector } from '../detector.js';
import { SessionDetector } from './exported.js';
import { type Description, type Port, readContract, reading, unusable } from './exported-metadata.js';

/**
 * Creates a detector.
 * @param dir the folder, or its saved_model.pb
 * @param engine name of the engine
 * @throws UserError 'needs-native' on other engines; 'missing-file', 'bad-model'; 'wrong-model' when it is not a detection
 *   model
 */
export async function createSavedModelDetector(dir: string, engine = 'the native engine'): Promise<Detector> {
  const path = dir.endsWith('.pb') ? dir : join(dir, 'saved_model.pb');
  const folder = dirname(path);
  const contract = readContract(path, {
    ...reading(path, () => withServingGraph(path, ({ signature }) => portsOf(signature))),
    metadata: readMetadata(join(folder, 'metadata.yaml')),
  });
  if (!loadedTensorflow())
    throw new UserError(
      'needs-native',
      'a SavedModel needs the native engine, which is not in use',
      'run: yolo setup (or export with format=tfjs or onnx)',
    );
  const checkpoint = join(folder, 'variables/variables');
  const { graph, restore } = reading(path, () => withServingGraph(path, (found) => graphOf(found, checkpoint)));
  if (restore) reading(`${checkpoint}.index`, () => statSync(`${checkpoint}.index`));
  const session = Session.open();
  try {
    session.add(graph);
    if (restore) session.plan({ name: 'reading the weights', targets: [restore] }).run();
    return new SessionDetector(path, session, contract, engine);
  } catch (error) {
    session.close();
    throw unusable(path, 'loaded', error);
  }
}

function readMetadata(path: string): Record<string, unknown> {
  return existsSync(path) ? readYamlObject(path, 'names and stride') : {};
}

/** The parts of a MetaGraphDef in an open file. */
interface ServingGraph {
  fd: number;
  signature: readonly ProtoField[];
  graphDef: Span[];
  /** SaverDef; empty without variables. */
  saver: readonly ProtoField[];
}

/** Calls `use` with the graph that has the signature serving_default. Constants are read only when `use` reads them. */
function withServingGraph<T>(path: string, use: (graph: ServingGraph) => T): T {
  const fd = openSync(path, 'r');
  try {
    const inside = ({ start, length }: Span) => spansOf(fd, start, start + length);
    for (const meta of spansOf(fd, 0, fstatSync(fd).size).filter(({ field }) => field === 2)) {
      const parts = inside(meta);
      const only = (field: number) => parts.filter((part) => part.field === field);
      for (const entry of only(5)) {
        const [name, signature] = keyed(readSpan(fd, entry));
        if (name !== 'serving_default') continue;
        const saver = only(3).flatMap((part) => readFields(readSpan(fd, part)));
        return use({ fd, signature, graphDef: only(2).flatMap(inside), saver });
      }
    }
  } finally {
    closeSync(fd);
  }
  throw new Error('it has no signature serving_default');
}

/**
 * The graph, in which the placeholder for the name of the checkpoint is replaced by a constant.
 * @param checkpoint common prefix of its files' paths
 * @returns restore: name of the node that initialises the variables; undefined without variables
 */
function graphOf(
  { fd, graphDef: spans, saver }: ServingGraph,
  checkpoint: string,
): { graph: ProtoPart; restore?: string } {
  const filename = stringField(saver, 1)?.replace(/:0$/, '');
  const restore = stringField(saver, 3);
  const fields = spans.map(({ field, start, length }) => ({ field, data: readSpan(fd, { field, start, length }) }));
  const others = fields.filter(({ field, data }) => field !== 1 || stringField(readFields(data), 1) !== filename);
  const rest = others.map(({ field, data }) => bytes(field, data));
  if (!restore || !filename) return { graph: concat(rest) };
  const attrs = { dtype: { type: 'string' as const }, value: { strings: checkpoint } };
  const constant = graphDef([{ name: filename, op: 'Const', inputs: [], attrs }]);
  return { graph: concat(constant, rest), restore }; // the last versions field of a GraphDef is used: that of the file
}

function portsOf(signature: readonly ProtoField[]): Omit<Description, 'metadata'> {
  const inputs = bytesFields(signature, 1).map(port);
  const outputs = bytesFields(signature, 2).map(port);
  if (inputs.length !== 1 || outputs.length !== 1)
    throw new Error(`serving_default has ${inputs.length} inputs and ${outputs.length} outputs, not one of each`);
  return { input: inputs[0], output: outputs[0] };
}

/** An entry of a protobuf map whose values are messages. */
function keyed(entry: Uint8Array): [name: string | undefined, fields: ProtoField[]] {
  const fields = readFields(entry);
  return [stringField(fields, 1), readFields(bytesFields(fields, 2)[0] ?? new Uint8Array())];
}

function port(entry: Uint8Array): Port {
  const [, info] = keyed(entry);
  const shape = readFields(bytesFields(info, 3)[0] ?? new Uint8Array());
  return {
    tensor: stringField(info, 1) ?? '',
    dtype: typeOf(intFields(info, 2)[0]),
    shape: bytesFields(shape, 2).map((dim) => intFields(readFields(dim), 1)[0] ?? 0),
  };
}

function typeOf(number: number): string {
  const name = Object.entries(TYPE_NUMBER).find(([, known]) => known === number)?.[0];
  return name === undefined ? 'unknown' : TYPE_NAME[name as keyof typeof TYPE_NAME];
}
