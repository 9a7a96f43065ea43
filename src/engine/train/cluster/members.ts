/**
 * The workers of a cluster, as the variable TF_CONFIG names them: the convention of TensorFlow's multi-worker training, which
 * Kubeflow's training operator follows. {"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}};
 * a chief, if there is one, is the first worker.
 */
import { UserError } from '../../../core/errors.js';
import type { Members } from '../../../graph/server.js';

export type { Members };

interface TfConfig {
  cluster?: Record<string, unknown>;
  task?: { type?: unknown; index?: unknown };
}

const EXAMPLE = '{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}';

/**
 * @param text value of TF_CONFIG
 * @returns undefined when there is only one worker
 * @throws UserError 'bad-cluster'
 */
export function membersOf(text: string | undefined): Members | undefined {
  if (!text?.trim()) return undefined;
  const { cluster = {}, task = {} } = parsed(text);
  const unknown = Object.keys(cluster).filter((job) => !['chief', 'worker', 'master'].includes(job));
  if (unknown.length > 0)
    throw refused(`it has the job '${unknown[0]}'`, 'all machines compute the same; name them as worker');
  const chiefs = [...addressesOf(cluster, 'chief'), ...addressesOf(cluster, 'master')];
  const addresses = [...chiefs, ...addressesOf(cluster, 'worker')];
  if (addresses.length === 0) throw refused('it names no worker');
  const twice = addresses.find((address, i) => addresses.indexOf(address) < i);
  if (twice !== undefined) throw refused(`it has the address ${twice} twice`);
  const { type = 'worker', index } = task;
  const at = type === 'worker' ? Number(index) + chiefs.length : Number(index);
  const known = type === 'worker' ? addresses.length : chiefs.length;
  if (
    typeof type !== 'string' ||
    !['chief', 'worker', 'master'].includes(type) ||
    !(Number.isInteger(at) && at >= 0 && at < known)
  )
    throw refused(`its task is ${JSON.stringify(task)}, which the cluster does not have`);
  return addresses.length > 1 ? { addresses, index: at } : undefined;
}

function parsed(text: string): TfConfig {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // refused below
  }
  throw refused('it is no JSON object');
}

function addressesOf(cluster: Record<string, unknown>, job: string): string[] {
  const list = cluster[job] ?? [];
  if (!Array.isArray(list)) throw refused(`'${job}' is no list of addresses`);
  for (const address of list)
    if (typeof address !== 'string' || !/^[^\s:/]+:\d+$/.test(address)) throw refused(`'${address}' is not host:port`);
  return list;
}

function refused(why: string, hint = `for example ${EXAMPLE}`): UserError {
  return new UserError('bad-cluster', `the variable TF_CONFIG does not describe a cluster: ${why}`, hint);
}
