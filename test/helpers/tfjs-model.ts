import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as converter from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';

/** The model as a page loads it: model.json and shards, nothing else known. */
export async function loadAsFetched(folder: string): Promise<converter.GraphModel> {
  const json = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8')) as tf.io.ModelJSON;
  const artifacts = await tf.io.getModelArtifactsForJSON(json, async ([{ paths, weights }]) => {
    const bytes = Buffer.concat(paths.map((name) => readFileSync(join(folder, name))));
    return [weights, bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer];
  });
  return converter.loadGraphModel({ load: async () => artifacts });
}
