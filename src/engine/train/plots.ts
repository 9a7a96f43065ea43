/** What a training run draws on its way: labels.jpg, the first batches, results.png, the validation of the best weights. */
import type { Batch } from '../../data/batch.js';
import { ValImages, writeEvaluationPlots, writeImage, writeLabelsPlot, writeResults } from '../report/plots.js';
import { batchSheet } from '../report/sheets.js';
import type { EvaluatedImage, Evaluation } from '../val/evaluate.js';
import type { Run } from './setup.js';
import type { TrainHooks } from './trainer.js';

/** So many batches are drawn at the start, and again where mosaic closes. */
const BATCHES = 3;
/** Drawing results.png may take this part of a run's time; it is drawn at the end in any case. */
const MAX_TIME_SHARE = 0.02;

/** Hooks that draw, then call those given. */
export async function withPlots(run: Run, hooks: TrainHooks): Promise<TrainHooks> {
  const plots = new TrainPlots(run);
  await writeLabelsPlot(run.dir, run.train);
  return {
    ...hooks,
    async onInput(batch, index) {
      await plots.input(batch);
      await hooks.onInput?.(batch, index);
    },
    async onEpoch() {
      await plots.epoch();
      await hooks.onEpoch?.();
    },
    async onBestImage(image) {
      plots.image(image);
      await hooks.onBestImage?.(image);
    },
    async onBest(evaluation) {
      await plots.best(evaluation);
      await hooks.onBest?.(evaluation);
    },
    async onEnd() {
      await plots.end();
      await hooks.onEnd?.();
    },
  };
}

class TrainPlots {
  private readonly images: ValImages;
  private drawn = 0;
  private lastDrawn = 0;
  private cost = 0;

  constructor(private readonly run: Run) {
    this.images = new ValImages(run.schedule.batch * 2);
  }

  /** train_batchN.jpg, N the number of the batch in the run. */
  async input(batch: Batch): Promise<void> {
    const { dir, progress, schedule, config, train } = this.run;
    const { epoch, batchInEpoch, index } = progress;
    const closing = config.close_mosaic > 0 && epoch === schedule.epochs - config.close_mosaic;
    if (batchInEpoch >= BATCHES || !(epoch === 0 || closing)) return;
    await writeImage(dir, `train_batch${index}.jpg`, () => batchSheet(batch, train.names));
  }

  /** results.png after an epoch, unless it was drawn a moment ago. */
  async epoch(): Promise<void> {
    if (performance.now() - this.lastDrawn > this.cost / MAX_TIME_SHARE) await this.results();
  }

  image(image: EvaluatedImage): void {
    this.images.add(image);
  }

  /** After the validation of the best weights. */
  async best(evaluation: Evaluation): Promise<void> {
    const { dir, train } = this.run;
    await writeEvaluationPlots(dir, evaluation, train.names);
    await this.images.write(dir, train.names);
  }

  /** However the run ends. */
  async end(): Promise<void> {
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
