/** What a training run draws: labels.jpg, the first batches, results.png, the plots of the best weights, report.html. */
import type { Batch } from '../../data/batch.js';
import { ValPlots, writeImage, writeLabelsPlot, writeResults } from '../report/plots.js';
import { batchSheet } from '../report/sheets.js';
import { TrainReport } from '../report/train-report.js';
import type { EvaluatedImage, Evaluation } from '../val/evaluate.js';
import type { Run, TrainObserver } from './observer.js';

/** This many batches are drawn at the start, and again where mosaic closes. */
const BATCHES = 3;
/** Drawing results.png may take this part of a run's time; it is drawn at the end in any case. */
const MAX_TIME_SHARE = 0.02;

/** What observes a run with plots=true. */
export function drawers(run: Run): TrainObserver[] {
  return [new TrainReport(run), new TrainPlots(run)];
}

class TrainPlots implements TrainObserver {
  private readonly best: ValPlots;
  private drawn = 0;
  private lastDrawn = 0;
  private cost = 0;

  constructor(private readonly run: Run) {
    this.best = new ValPlots(run.dir, run.train.names, run.schedule.batch * 2);
  }

  async onStart(): Promise<void> {
    await writeLabelsPlot(this.run.dir, this.run.train);
  }

  /** train_batchN.jpg, N the index of the batch in the run. */
  async onInput(batch: Batch): Promise<void> {
    const { dir, progress, schedule, config, train } = this.run;
    const { epoch, batchInEpoch, index } = progress;
    const closing = config.close_mosaic > 0 && epoch === schedule.epochs - config.close_mosaic;
    if (batchInEpoch >= BATCHES || !(epoch === 0 || closing)) return;
    await writeImage(dir, `train_batch${index}.jpg`, () => batchSheet(batch, train.names));
  }

  /** results.png, unless it was drawn a moment ago. */
  async onEpoch(): Promise<void> {
    if (performance.now() - this.lastDrawn > this.cost / MAX_TIME_SHARE) await this.results();
  }

  onBestImage(image: EvaluatedImage): void {
    this.best.onImage(image);
  }

  onBest(evaluation: Evaluation): Promise<void> {
    return this.best.onEnd(evaluation);
  }

  async onEnd(): Promise<void> {
    if (this.run.progress.rows.length > this.drawn) await this.results();
  }

  private async results(): Promise<void> {
    const started = performance.now();
    const { dir, progress } = this.run;
    await writeResults(dir, progress.rows);
    this.drawn = progress.rows.length;
    this.lastDrawn = performance.now();
    this.cost = this.lastDrawn - started;
  }
}
