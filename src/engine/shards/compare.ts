/** Whether shards belong together: of one job, with the same settings, weights and data, each of them once. */
import { type Key, keysOf } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import { parseShard } from '../../core/shard.js';
import { written } from '../report/settings.js';
import type { Identified, ReadShard, ShardPlan } from './manifest.js';

/** Keys that say where a shard runs and what it prints; weights and data are compared by their contents. */
const FREE: readonly Key[] = [
  ...(['model', 'data', 'source', 'shard'] as const),
  ...(['device', 'workers', 'project', 'name', 'exist_ok', 'verbose', 'json'] as const),
];

/** A shard, and its folder for messages. */
type Compared = ShardPlan & { dir: string };

/**
 * @returns the shards in order
 * @throws UserError 'shards-differ' in anything that results depend on; 'shard-twice'; 'shard-missing'
 */
export function inOrder(shards: readonly ReadShard[]): ReadShard[] {
  refuseDifferences(shards);
  const sorted = [...shards].sort((a, b) => a.part.index - b.part.index);
  const { count } = sorted[0].part;
  sorted.forEach(({ part, dir, shard }, i) => {
    if (i > 0 && part.index === sorted[i - 1].part.index)
      throw new UserError(
        'shard-twice',
        `shard ${shard} is given twice: ${sorted[i - 1].dir} and ${dir}`,
        'leave one out',
      );
  });
  const given = new Set(sorted.map(({ part }) => part.index));
  const missing = Array.from({ length: count }, (_, i) => i + 1).filter((index) => !given.has(index));
  if (missing.length) {
    const named = missing.slice(0, 10).map((index) => `${index}/${count}`);
    const text = `${missing.length} of ${count} shards are missing: ${named.join(', ')}${missing.length > 10 ? ' …' : ''}`;
    throw new UserError('shard-missing', text, 'name the run folders of all shards');
  }
  warnOfEngines(sorted);
  return sorted;
}

/** @throws UserError 'shards-differ', which names the first difference and two shards that have it */
export function refuseDifferences(shards: readonly Compared[], hint?: string): void {
  const same = (what: string, of: (shard: Compared) => string, show = of): void => {
    const [first, ...others] = shards;
    const other = others.find((shard) => of(shard) !== of(first));
    if (!other) return;
    throw new UserError(
      'shards-differ',
      `the shards are not of one job: ${what}${show(first)} in ${first.dir}, ${what}${show(other)} in ${other.dir}`,
      hint ?? 'merge the shards of one job only',
    );
  };
  same('', ({ mode }) => mode);
  same('number of shards ', ({ shard }) => String(parseShard(shard)?.count));
  for (const key of keysOf(shards[0].mode).filter((key) => !FREE.includes(key)))
    same(`${key}=`, ({ settings }) => written(settings[key]));
  for (const what of ['model', 'data'] as const)
    same(
      `${what} `,
      (shard) => shard[what].sha256,
      (shard) => identified(shard[what]),
    );
}

/** Names may differ, by folder or machine; what counts is the hash. */
function identified({ name, sha256 }: Identified): string {
  return `${name} (sha256 ${sha256.slice(0, 12)}…)`;
}

function warnOfEngines(shards: readonly ReadShard[]): void {
  const engines = [...new Set(shards.map(({ engine }) => engine))];
  if (engines.length > 1)
    log.warn(`the shards were computed by different engines, which round differently: ${engines.join('; ')}`);
}
