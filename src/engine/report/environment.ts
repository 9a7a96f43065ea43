/** Where a run took place: versions, engine, machine. */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { selectEngine } from '../../backend/select-engine.js';
import { version } from '../../core/version.js';
import type { Fact } from '../../render/report/data.js';

/**
 * Facts for the report, in its order.
 * @param engine that computed the results; default: the one of this process, which must be running already
 */
export async function environmentFacts(engine?: string): Promise<Fact[]> {
  const description = engine ?? (await selectEngine()).description;
  const cores = availableParallelism();
  const rows: [string, string][] = [
    ['yolov8-tfjs', version()],
    ['Engine', description],
    ['Node', process.versions.node],
    ['System', `${process.platform} ${process.arch}`],
    ['Processor', cpus()[0]?.model.trim() || 'unknown'],
    ['Cores for this process', String(cores)],
    ['Memory', `${gib(totalmem())} GiB`],
    ['Peak memory', `${gib(process.resourceUsage().maxRSS * 1024)} GiB`],
  ];
  return rows.map(([name, value]) => ({ name, value }));
}

const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(1);
