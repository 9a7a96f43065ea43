/**
 * A graph loaded into TensorFlow, through what tfjs-node's addon offers: it reads a SavedModel from a folder and runs it
 * as one session call. The file is needed only for the moment of loading. Inputs and outputs are handles; nothing is
 * copied on the CPU.
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import type { ProtoPart } from '../io/protobuf.js';
import type { Graph } from './graph.js';
import { savedModel } from './graphdef.js';
import { NATIVE } from './raw.js';

/** An image as it comes from the decoder: fed as bytes, seen by the function as float32 0..255. */
export interface Bytes {
  data: Uint8Array;
  shape: readonly number[];
}

interface Output {
  id: number;
  shape: number[];
  dtype: number;
}

/** The parts of tfjs-node's backend and addon that are used here. */
export interface SessionBackend extends tf.KernelBackend {
  binding: {
    TF_UINT8: number;
    createTensor(shape: readonly number[], dtype: number, values: Uint8Array): number;
    deleteTensor(id: number): void;
    loadSavedModel(dir: string, tags: string): number;
    deleteSavedModel(id: number): void;
    runSavedModel(id: number, inputs: number[], inputNames: string, outputNames: string): Output[];
  };
  getInputTensorIds(tensors: tf.TensorInfo[]): number[];
  createOutputTensor(output: Output): tf.Tensor;
}

/**
 * Tensors that are made while `work` runs are handed over to TensorFlow at once, not when they are first used: JavaScript
 * lets go of its copy of one before the next is made.
 * @param work must not read what it makes
 */
export async function handingOver<T>(work: () => Promise<T>): Promise<T> {
  if (tf.getBackend() !== NATIVE) return work();
  const backend = tf.backend() as SessionBackend;
  backend.write = (values, shape, dtype) => {
    const dataId = Object.getPrototypeOf(backend).write.call(backend, values, shape, dtype);
    backend.getInputTensorIds([{ dataId, shape, dtype }]);
    return dataId;
  };
  try {
    return await work();
  } finally {
    delete (backend as Partial<SessionBackend>).write; // its class has the usual one
  }
}

export class Session {
  private id: number | undefined;

  /** Loads a graph of this process. @param inputs nodes to feed, in the order of `run`'s argument */
  static of(graph: Graph, inputs: readonly string[], device = ''): Session {
    const dir = mkdtempSync(join(tmpdir(), 'yolo-graph-'));
    try {
      writeChunks(join(dir, 'saved_model.pb'), savedModel(graph, { device }));
      const outputs = graph.outputs.map((port) => `${port.node}:0`);
      return new Session(
        dir,
        inputs.map((node) => `${node}:0`),
        outputs,
      );
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }

  /** Loads a SavedModel that lies in a folder. @param inputs, outputs names of graph tensors: 'images:0' */
  constructor(
    dir: string,
    private readonly inputs: readonly string[],
    private readonly outputs: readonly string[],
    private readonly backend = tf.engine().findBackend(NATIVE) as SessionBackend,
  ) {
    this.id = backend.binding.loadSavedModel(dir, 'serve');
  }

  /** Runs the graph. @returns its outputs in order; they belong to the caller (or the tidy around it) */
  run(feeds: readonly (tf.Tensor | Bytes)[]): tf.Tensor[] {
    if (this.id === undefined) throw new Error('this graph was disposed');
    const { backend } = this;
    const { binding } = backend;
    const own: number[] = [];
    try {
      const ids = feeds.map((feed) => {
        if (feed instanceof tf.Tensor) return backend.getInputTensorIds([feed])[0];
        const id = binding.createTensor(feed.shape, binding.TF_UINT8, feed.data);
        own.push(id);
        return id;
      });
      const outputs = binding.runSavedModel(this.id, ids, this.inputs.join(), this.outputs.join());
      return outputs.map((output) => backend.createOutputTensor(output));
    } finally {
      for (const id of own) binding.deleteTensor(id);
    }
  }

  dispose(): void {
    if (this.id !== undefined) this.backend.binding.deleteSavedModel(this.id);
    this.id = undefined;
  }
}

/** Writes piece by piece: joining them first would hold the weights once more. */
function writeChunks(path: string, message: ProtoPart): void {
  const file = openSync(path, 'w');
  try {
    for (const chunk of message.pieces()) {
      for (let at = 0; at < chunk.length; ) at += writeSync(file, chunk, at);
    }
  } finally {
    closeSync(file);
  }
}
