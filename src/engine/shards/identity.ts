/** What shards of one job have in common: hashes of weights and data. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import type { Dataset } from '../../data/dataset.js';
import { filesUnder } from '../../data/listing.js';
import { isUrl } from '../../io/fetch.js';
import { findModelFile } from '../../io/model-files.js';
import { resolveModelPath } from '../../nn/weights.js';
import type { Identified } from './manifest.js';

/** The contents of a model: of a file, or of all files of an exported folder. @param name of a model that can be loaded */
export async function identifyModel(name: string): Promise<Identified> {
  const path = await pathOfModel(name);
  const hash = createHash('sha256');
  if (statSync(path).isDirectory()) {
    for (const file of filesUnder(path, () => true).sort()) {
      hash.update(`${relative(path, file).replaceAll('\\', '/')}\n`);
      await addFile(hash, file);
    }
  } else await addFile(hash, path);
  return { name, sha256: hash.digest('hex') };
}

async function pathOfModel(name: string): Promise<string> {
  if (isUrl(name)) return findModelFile(name) ?? name;
  if (!existsSync(name)) return resolveModelPath(name);
  return /\b(model\.json|saved_model\.pb)$/.test(name) ? dirname(name) : name;
}

async function addFile(hash: Hash, path: string): Promise<void> {
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
}

/** The names of the sources, in order; not their contents: each is read by one shard only. */
export function identifySources(name: string, origins: readonly { path: string }[]): Identified {
  const hash = createHash('sha256');
  for (const { path } of origins) hash.update(`${path}\n`);
  return { name, sha256: hash.digest('hex') };
}

/** Class names, and path, size and labels of each image. */
export function identifyDataset(name: string, { names, images }: Pick<Dataset, 'names' | 'images'>): Identified {
  const hash = createHash('sha256').update(JSON.stringify(names));
  for (const { path, width, height, labels } of images) {
    hash.update(`\n${path}\n${width}x${height}\n`);
    hash.update(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength));
  }
  return { name, sha256: hash.digest('hex') };
}
