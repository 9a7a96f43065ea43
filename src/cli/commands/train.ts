/** `yolo train`: epoch rows with a bar on standard error; with json=true an object an epoch on standard output. */
import type { TrainConfig } from '../../cfg/schema.js';
import { UserError } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { TrainObserver } from '../../engine/train/observer.js';
import type { BatchReport, EpochRow, TrainSummary } from '../../engine/train/results.js';
import { showBanner } from '../banner.js';
import { clock, rate, sparkline } from '../format.js';
import { stopCleanly } from '../interrupt.js';
import { Bar } from '../progress.js';
import { printJson } from '../terminal.js';
import { exampleOf } from '../words.js';
import type { Worker } from '../worker.js';

export async function run(config: TrainConfig): Promise<number> {
  if (config.data === null && !config.resume) {
    throw new UserError('missing-data', "'data' is missing: which dataset should be trained on?", exampleOf('train'));
  }
  const inCluster = Boolean(process.env.TF_CONFIG);
  if (config.processes > 1 && !inCluster) return (await import('../launch.js')).launch(config);
  const worker = inCluster ? await (await import('../worker.js')).asWorker() : undefined;
  const work = trainHere(config, worker);
  return worker ? worker.report(work) : work;
}

/** Trains in this process. @param worker if it is one of several */
async function trainHere(config: TrainConfig, worker?: Worker): Promise<number> {
  const stop = new AbortController();
  const silent = worker?.silent ?? false;
  if (!silent) showBanner();
  const { train } = await import('../../engine/train/trainer.js');
  const epochs = train(config, {
    signal: stop.signal,
    observers: [
      {
        onStart(run) {
          // Before there is something to lose, a signal ends the process at once.
          stopCleanly(stop, 'stopping after this batch; the run can be resumed');
          worker?.started(run);
        },
      },
      ...(silent ? [] : [new EpochDisplay()]),
    ],
  });
  for (;;) {
    const { done, value } = await epochs.next();
    if (done && silent) return 0;
    if (done) {
      await printBest(value.evaluation);
      return sumUp(value, config.json);
    }
    if (config.json && !silent) printJson(value);
  }
}

const COLUMNS = ['Epoch', 'Memory', 'box_loss', 'cls_loss', 'dfl_loss', 'Instances', 'Size'];

/** Room for a percentage and the remaining time is left in 80 columns. */
const WIDTHS = [9, 8, 9, 9, 9, 10, 6];

const columns = (cells: readonly string[]): string => cells.map((cell, i) => cell.padStart(WIDTHS[i])).join('');

/** The row that grows with the batches of an epoch, then the figures of its validation. */
class EpochDisplay implements TrainObserver {
  private bar?: Bar;
  private row = '';
  private readonly fitness: number[] = [];

  onEpochStart({ batch, batches }: { batch: number; batches: number }): void {
    this.onEnd();
    log.info(columns(COLUMNS));
    this.bar = new Bar('', batches, '', batch);
  }

  onBatch({ epoch, epochs, batch, batches, losses, instances, size, rssMb }: BatchReport): void {
    const { box_loss, cls_loss, dfl_loss } = losses;
    const numbers = [box_loss, cls_loss, dfl_loss].map((x) => x.toPrecision(4));
    this.row = columns([`${epoch}/${epochs}`, `${(rssMb / 1024).toFixed(2)}G`, ...numbers, `${instances}`, `${size}`]);
    if (!this.bar) return;
    this.bar.state.label = this.row;
    this.bar.update(batch, batches);
    if (batch >= batches) this.closeRow();
  }

  onEpoch({ metrics }: EpochRow): void {
    this.onEnd();
    if (!metrics) return;
    const { precision, recall, mAP50 } = metrics;
    const fitness = metrics['mAP50-95'];
    this.fitness.push(fitness);
    const cells = [precision, recall, mAP50, fitness].map((x) => x.toFixed(3));
    log.info(columns(['', '', 'P', 'R', 'mAP50', 'mAP50-95']));
    const curve = this.fitness.length > 2 ? `  ${sparkline(this.fitness.slice(-18))}` : '';
    log.info(columns(['', 'all', ...cells]) + curve);
  }

  onEnd(): void {
    this.closeRow();
  }

  /** What stays of the bar: the row, how fast it went, and how long it took. */
  private closeRow(): void {
    if (!this.bar) return;
    const { done, from, seconds } = this.bar.state;
    this.bar.end(done > from ? `${this.row}  ${rate((done - from) / seconds)} ${clock(seconds)}` : undefined);
    this.bar = undefined;
  }
}

/** The table of the best weights, per class. */
async function printBest(evaluation: TrainSummary['evaluation']): Promise<void> {
  if (evaluation === undefined) return;
  const { tableHeader, tableRows } = await import('../../engine/val/table.js');
  for (const line of [tableHeader(), ...tableRows(evaluation, true)]) log.info(line);
}

function sumUp(summary: TrainSummary, json: boolean): number {
  const { best, last, results, save_dir, mAP50, 'mAP50-95': fitness } = summary;
  if (mAP50 !== null && fitness !== null) {
    log.info(`Best weights: mAP50 ${mAP50.toFixed(3)}, mAP50-95 ${fitness.toFixed(3)}`);
  }
  for (const path of [best, last]) if (path !== null) log.info(`Weights saved to ${path}`);
  log.info(`Results saved to ${save_dir}`);
  if (json) printJson({ best, last, results, save_dir, mAP50, 'mAP50-95': fitness });
  return 0;
}
