/** Where a run ran: versions, engine, machine. Nothing is started for it. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { selectEngine } from '../../backend/select-engine.js';
import type { Fact } from '../../render/report/data.js';

/** The engine must be running already. */
export async function environmentFacts(): Promise<Fact[]> {
  const { description } = await selectEngine();
  const cores = availableParallelism();
  const rows: [string, string][] = [
    ['yolov8-tfjs', packageVersion()],
    ['Engine', description],
    ['Node', process.versions.node],
    ['System', `${process.platform} ${process.arch}`],
    ['Processor', cpus()[0]?.model.trim() || 'unknown'],
    ['Cores for this process', String(cores)],
    ['Memory', `${gib(totalmem())} GiB`],
    ['Most memory in use', `${gib(process.resourceUsage().maxRSS * 1024)} GiB`],
  ];
  return rows.map(([name, value]) => ({ name, value }));
}

const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(1);

function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
