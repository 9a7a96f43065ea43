/**
 * `yolo checks gpu`: what one would try first on a new GPU, as a report that can be sent to others. Does TensorFlow see it,
 * does it place the training step there, are the numbers those of the CPU and the same each time, how fast is it, and what
 * do deterministic kernels and full float32 cost? Where no GPU can be used it says why, and tries what can be tried.
 */
import { spawn } from 'node:child_process';
import { homedir, userInfo } from 'node:os';
import { fileURLToPath } from 'node:url';
import { findDriver } from '../../../bin/setup/driver.mjs';
import { gpuPins, gpuReady } from '../../../bin/setup/gpu-paths.mjs';
import { cacheDir, engineReady, root, setupCommand } from '../../../bin/setup/paths.mjs';
import { cudaVersion, findGpu, type Gpu } from '../../backend/gpu.js';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import { describeMachine, machineRows } from '../machine.js';
import { placementOf, type TrialRequest, type TrialResult } from './gpu-trial.js';

const PROCESS = fileURLToPath(new URL('./gpu-trial-process.js', import.meta.url));
/**
 * Relative differences to the CPU that a step's losses and its gradient norm may have: sums are taken in another order, and
 * TF32 rounds each factor to 11 bits.
 */
const MAX_DIFFERENCE = { float32: { loss: 1e-3, norm: 1e-2 }, tf32: { loss: 2e-2, norm: 1e-1 } };

export interface GpuChecks {
  /** Name and value of each line. */
  rows: [string, string][];
  /** Checks that failed, and what is missing. */
  problems: string[];
}

/** That of the user: looking for a GPU changes it, and each trial makes that choice itself. */
let environment = process.env;

type Trial = { result?: TrialResult; output: string; failure?: string };

/** @throws UserError where there is no native engine to compare with */
export async function checkGpu(version: string): Promise<GpuChecks> {
  if (!engineReady()) throw new UserError('no-engine', 'the native engine is not set up', `run: ${setupCommand}`, 1);
  const report: GpuChecks = { rows: machineRows(describeMachine(version)), problems: [] };
  environment = { ...process.env };
  const gpu = findGpu(0);
  describeDriver(report, gpu);
  if ('why' in gpu) {
    report.problems.push(`no GPU can be used: ${gpu.why}. To use one: ${gpu.remedy}`);
    if (gpuReady()) await compareOnCpu(report);
  } else {
    await tryOut(report, gpu);
  }
  report.rows = report.rows.map(([name, value]) => [name, withoutPaths(value)]);
  report.problems = report.problems.map(withoutPaths);
  return report;
}

/** The report as lines for a terminal. */
export function formatGpuChecks({ rows, problems }: GpuChecks): string[] {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}${value}`);
  if (problems.length === 0) return [...lines, 'Everything works.'];
  return [...lines, ...problems.map((problem) => `Problem: ${problem}.`)];
}

function describeDriver({ rows }: GpuChecks, gpu: ReturnType<typeof findGpu>): void {
  const driver = findDriver();
  rows.push(['NVIDIA driver', driver ? (driver.version ?? 'there, version unknown') : 'not seen']);
  if (!('why' in gpu)) {
    const memory = `${(gpu.memory / 2 ** 30).toFixed(1)} GiB`;
    rows.push([
      'GPU',
      `${gpu.name}, ${memory}, compute capability ${gpu.capability / 10}, driver for CUDA ${cudaVersion(gpu.cuda)}`,
    ]);
  }
  const versions = gpuPins.wheels.map(
    ({ package: name, version }) => `${name.replace(/^nvidia-|-cu12$/g, '')} ${version}`,
  );
  rows.push(['GPU engine', gpuReady() ? versions.join(', ') : 'not set up']);
}

/** Without a GPU: the CUDA build, with the graphs that a GPU would get, against the CPU engine. */
async function compareOnCpu(report: GpuChecks): Promise<void> {
  const base = { device: 0, deterministic: true, tf32: false };
  const cpu = await run('training on the CPU', { ...base, engine: 'cpu' });
  const cuda = await run("training with TensorFlow's CUDA build on the CPU", { ...base, engine: 'cuda-on-cpu' });
  compare(report, 'CUDA build, on the CPU', cuda, cpu);
}

async function tryOut(report: GpuChecks, gpu: Gpu): Promise<void> {
  if (gpu.caution) report.rows.push(['Caution', gpu.caution]);
  const base: TrialRequest = { engine: 'gpu', device: gpu.index, deterministic: true, tf32: false };
  const cpu = await run('training on the CPU', { ...base, engine: 'cpu' });
  const exact = await run('training on the GPU', { ...base, placement: true });
  compare(report, 'GPU, full float32', exact, cpu);
  if (exact.failure) return;
  describePlacement(report, exact);
  const again = await run('the same once more, and its speed', { ...base, speed: true });
  if (again.failure) return void report.problems.push(again.failure);
  const same = again.result!.digest === exact.result!.digest;
  report.rows.push(['Same bits twice', same ? 'yes' : 'no']);
  if (!same) report.problems.push('deterministic=true gave other bits the second time');
  describeSpeed(report, 'deterministic=true tf32=false', again);
  for (const [deterministic, tf32] of [
    [true, true],
    [false, true],
  ]) {
    const name = `deterministic=${deterministic} tf32=${tf32}`;
    const trial = await run(name, { ...base, deterministic, tf32, speed: true });
    compare(report, `GPU, ${name}`, trial, cpu, MAX_DIFFERENCE.tf32);
    describeSpeed(report, name, trial);
  }
}

/** How far losses and gradient norms are from the CPU's. */
function compare(report: GpuChecks, name: string, trial: Trial, cpu: Trial, max = MAX_DIFFERENCE.float32): void {
  for (const { failure } of [trial, cpu]) if (failure) return void report.problems.push(failure);
  const differences = trial.result!.steps.map((step, i) =>
    step.map((value, k) => Math.abs(value / cpu.result!.steps[i][k] - 1)),
  );
  const worst = (of: (step: number[]) => number[]) => Math.max(...differences.flatMap(of)); // NaN stays NaN
  const [loss, norm] = [worst((step) => step.slice(0, -1)), worst((step) => step.slice(-1))];
  report.rows.push([
    name,
    `losses within ${loss.toExponential(1)}, gradient norms within ${norm.toExponential(1)} of the CPU's`,
  ]);
  if (!(loss <= max.loss && norm <= max.norm)) report.problems.push(`${name}: the numbers are not those of the CPU`);
}

function describePlacement(report: GpuChecks, { output }: Trial): void {
  const { nodes, onCpu } = placementOf(output);
  const counts = Object.entries(nodes).map(([device, count]) => `${count} on ${device}`);
  const ops = Object.entries(onCpu)
    .sort(([, a], [, b]) => b - a)
    .map(([op, count]) => `${count} ${op}`);
  report.rows.push(['Nodes of the step', `${counts.join(', ')}${ops.length > 0 ? ` (CPU: ${ops.join(', ')})` : ''}`]);
  if (!nodes.GPU) report.problems.push('TensorFlow placed nothing on the GPU');
}

function describeSpeed(report: GpuChecks, name: string, { result }: Trial): void {
  const values = Object.entries(result?.speed ?? {}).map(([what, ms]) =>
    typeof ms === 'number' ? `${what} ${ms.toFixed(2)}` : `${what}: ${ms}`,
  );
  if (values.length > 0) report.rows.push([`ms an image, ${name}`, values.join(', ')]);
}

/** A trial in a process of its own. */
async function run(what: string, request: TrialRequest): Promise<Trial> {
  log.info(`Trying: ${what} …`);
  const child = spawn(process.execPath, [PROCESS, JSON.stringify(request)], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  const end = await new Promise<string | number>((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  const last = output.trim().split('\n').at(-1) ?? '';
  if (end === 0 && last.startsWith('{')) return { result: JSON.parse(last), output };
  return { output, failure: `${what} failed (${end}): ${reasonIn(errors)}` };
}

/** The line of an error's output that says most. */
function reasonIn(errors: string): string {
  const lines = errors.split('\n').filter((line) => line.trim() !== '' && !/^\s+at /.test(line));
  return (lines.find((line) => /^\w*Error\b/.test(line)) ?? lines.at(-1) ?? 'it said nothing').trim().slice(0, 400);
}

/** The report is for others: no folders and names of this user. */
function withoutPaths(text: string): string {
  const { username } = userInfo();
  const places = [cacheDir(), root.replace(/\/$/, ''), homedir()].filter((place) => place.length > 1);
  const short = places.reduce((out, place) => out.replaceAll(place, '…'), text);
  return username.length > 2 && username !== 'root' ? short.replaceAll(username, '…') : short;
}
