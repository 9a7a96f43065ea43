/**
 * `yolo benchmark what=all`: runs all commands of the plan in turn, each in a process of its own, several times, so that what
 * else the machine does meets all of them. Writes benchmark.json.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConfigOf } from '../cfg/schema.js';
import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import { median } from '../core/median.js';
import { version } from '../core/version.js';
import { writeFileAtomic } from '../io/files.js';
import { type Measure, planBenchmark } from './benchmark-plan.js';
import { describeMachine } from './machine.js';
import { createRunDir } from './run-dir.js';

/** What a command took, from the start of its process. */
export interface Took {
  seconds: number;
  /** Peak of the memory that the process occupied, MB. */
  memory: number;
}

/** Values of all rounds. */
export interface Measured {
  name: string;
  precision: string;
  /** Arguments of `yolo`. */
  command: string[];
  /** Of the whole process; of a training step: of one step, without the start. One value a round. */
  seconds: number[];
  median_s: number;
  min_s: number;
  max_s: number;
  /** The median over the number of images, if it depends on them. */
  s_per_image?: number;
  /** Largest of the rounds. */
  peak_rss_mb: number;
}

/** Of the messages of a command. */
const KEPT_CHARACTERS = 4000;

/**
 * @param program a module that runs `yolo` with its arguments and sends its parent a `Took`
 * @returns the path of benchmark.json, and what is in it
 * @throws UserError 'benchmark-failed' when a command fails
 */
export async function measureAll(
  config: ConfigOf<'benchmark'>,
  program: string,
): Promise<{ file: string; measures: Measured[] }> {
  const dir = createRunDir(config, 'benchmark');
  const folder = mkdtempSync(join(tmpdir(), 'yolo-benchmark-'));
  let child: ChildProcess | undefined;
  const clean = (): void => {
    child?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', clean);
  const plan = await planBenchmark(config, folder);
  const rounds = plan.map((): Took[] => []);
  const { repeats, threads } = config;
  for (let round = 0; round < repeats; round++) {
    for (const [i, measure] of plan.entries()) {
      log.info(`${round * plan.length + i + 1}/${repeats * plan.length}: ${measure.name}, ${measure.precision}`);
      rounds[i].push(await run(program, measure, threads, (started) => (child = started)));
    }
  }
  process.removeListener('exit', clean);
  clean();
  const measures = plan.map((measure, i) => measured(measure, rounds[i]));
  const file = join(dir, 'benchmark.json');
  const head = { ...describeMachine(version()), date: new Date().toISOString(), repeats };
  writeFileAtomic(file, `${JSON.stringify({ ...head, measures }, null, 2)}\n`);
  return { file, measures };
}

/** Runs a command. @returns its time and memory; of a training step the seconds for a batch */
function run(
  program: string,
  { name, args, step, images }: Measure,
  threads: number,
  started: (child: ChildProcess) => void,
): Promise<Took> {
  const env = threads > 0 ? { ...process.env, TF_NUM_INTRAOP_THREADS: String(threads) } : process.env;
  const child = fork(program, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], env });
  started(child);
  let took: Took | undefined;
  let [output, messages] = ['', ''];
  child.on('message', (message: Took) => (took = message));
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (output += text));
  child
    .stderr!.setEncoding('utf8')
    .on('data', (text: string) => (messages = (messages + text).slice(-KEPT_CHARACTERS)));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0 && took)
        return resolve(step ? { ...took, seconds: JSON.parse(output).median_s_per_image * images } : took);
      const last =
        messages
          .trim()
          .split('\n')
          .findLast((line) => line.startsWith('ERROR')) ?? `it ended with ${signal ?? code}`;
      const hint = `the command: yolo ${args.join(' ')}`;
      reject(new UserError('benchmark-failed', `${name}: ${last.replace(/^ERROR /, '')}`, hint, 1));
    });
  });
}

function measured({ name, precision, args, images }: Measure, took: readonly Took[]): Measured {
  const seconds = took.map((one) => round(one.seconds));
  const middle = median(seconds);
  return {
    name,
    precision,
    command: args,
    seconds,
    median_s: middle,
    min_s: Math.min(...seconds),
    max_s: Math.max(...seconds),
    ...(images > 0 && { s_per_image: round(middle / images) }),
    peak_rss_mb: Math.round(Math.max(...took.map(({ memory }) => memory))),
  };
}

function round(seconds: number): number {
  return Number(seconds.toPrecision(5));
}
