/** What all workers of a run have to have alike before its first batch, and after going back to a checkpoint. */
import { createHash } from 'node:crypto';
import { KEYS, type Key } from '../../../cfg/schema.js';
import { UserError } from '../../../core/errors.js';
import type { DatasetImage } from '../../../data/dataset.js';
import type { Run } from '../observer.js';
import { recover } from '../weights-folder.js';
import type { Cluster } from './cluster.js';

/** Keys that may differ: files, threads, and what only the first worker does. */
const OWN: ReadonlySet<Key> = new Set<Key>([
  ...([
    'model',
    'data',
    'resume',
    'device',
    'workers',
    'cache',
    'project',
    'name',
    'exist_ok',
    'save',
    'plots',
  ] as const),
  ...(['save_period', 'verbose', 'json', 'timeout', 'insecure', 'processes'] as const),
]);

/**
 * Compares what the workers were given, then gives all of them the progress and the state of the first.
 * @throws UserError 'workers-differ' on all of them, 'worker-lost'
 */
export async function agree(run: Run, cluster: Cluster): Promise<void> {
  const given = await cluster.gather(fingerprint(run));
  given.forEach((other, worker) => {
    const key = Object.keys(other).find((name) => other[name] !== given[0][name]);
    if (key === undefined) return;
    throw new UserError(
      'workers-differ',
      `worker ${worker} was started with ${key}=${other[key]}, worker 0 with ${key}=${given[0][key]}`,
      'start all workers with the same command, on the same data',
    );
  });
  Object.assign(run.progress, await cluster.fromFirst(run.progress));
  await run.step.broadcast();
}

/** By name, as text. */
function fingerprint({ config, network, train, val, schedule }: Run): Record<string, string> {
  const settings = KEYS.filter((key) => !OWN.has(key)).map((key) => [key, JSON.stringify(config[key])]);
  return {
    ...Object.fromEntries(settings),
    'training images': digest(train.images),
    'validation images': digest(val.images),
    classes: JSON.stringify(train.names),
    network: hash(JSON.stringify(network.parameters.map(({ name, shape }) => [name, shape]))),
    schedule: JSON.stringify(schedule),
  };
}

/** Number of images, and a digest of their sizes and labels in their order. */
function digest(images: readonly DatasetImage[]): string {
  const all = createHash('sha256');
  for (const { width, height, labels } of images) {
    all.update(`${width} ${height} ${labels.length} `);
    all.update(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength));
  }
  return `${images.length} (labels ${all.digest('hex').slice(0, 8)})`;
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 8);

/** `recover` on all workers: the first one reads the checkpoint. @throws UserError 'diverged', 'worker-lost' */
export async function recoverTogether(run: Run, cluster: Cluster): Promise<void> {
  let failure: UserError | undefined;
  if (cluster.first) {
    try {
      recover(run);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failure = error;
    }
  }
  const { code, message, hint } = failure ?? {};
  const shared = await cluster.fromFirst({ progress: run.progress, failed: failure && { code, message, hint } });
  if (failure) throw failure;
  if (shared.failed) throw new UserError(shared.failed.code!, shared.failed.message!, shared.failed.hint, 1);
  Object.assign(run.progress, shared.progress);
  await run.step.broadcast();
}
