/** report.html of a training run: kept up to date while it runs, complete when it has ended. */
import { median } from '../../core/median.js';
import type { DatasetData, Fact, ReportData } from '../../render/report/data.js';
import type { Run, TrainObserver } from '../train/observer.js';
import type { EpochRow } from '../train/results.js';

import { endOf } from '../train/stopper.js';
import type { EvaluatedImage, Evaluation } from '../val/evaluate.js';
import { environmentFacts } from './environment.js';
import { epochCharts, keyFigures, speedFacts } from './figures.js';
import { collectImages } from './images.js';
import { datasetData, evaluationData, evaluationWithImages, writeReport } from './report.js';
import { settingRows } from './settings.js';

/** Writing a report may take this part of a run's time; more often than that it waits for a later epoch. */
const MAX_TIME_SHARE = 0.05;

/** Writes the report of a run. */
export class TrainReport implements TrainObserver {
  private readonly images = collectImages();
  /** The last validation of the EMA weights. */
  private ema?: Evaluation;
  private dataset?: DatasetData;
  private finished = false;
  private lastWritten = 0;
  private cost = 0;

  constructor(private readonly run: Run) {}

  onEma(evaluation: Evaluation): void {
    this.ema = evaluation;
  }

  /** Unless the page was written a moment ago. */
  async onEpoch(): Promise<void> {
    if (performance.now() - this.lastWritten < this.cost / MAX_TIME_SHARE) return;
    await this.write('running');
  }

  onBestImage(image: EvaluatedImage): void {
    this.images.add(image);
  }

  /** After the validation of the best weights: everything. */
  async onBest(evaluation: Evaluation): Promise<void> {
    this.finished = true;
    const { progress, train } = this.run;
    await this.write('finished', async () => ({
      ...(await evaluationWithImages(evaluation, this.images, train.names)),
      key: [
        ...keyFigures(evaluation),
        { name: 'Best epoch', value: String(progress.bestEpoch + 1) },
        ...this.timeFacts(),
      ],
      speed: this.speed(evaluation),
    }));
  }

  /** The page must not say any longer that it is running. */
  async onEnd(): Promise<void> {
    if (this.finished) return;
    await this.write(endOf(this.run) === undefined ? 'interrupted' : 'finished');
  }

  /** What is known of the run now; without a validation of the best weights, of the last EMA weights. */
  private emaData(): Partial<ReportData> {
    return this.ema ? { key: keyFigures(this.ema), ...evaluationData(this.ema) } : {};
  }

  private async write(
    state: ReportData['state'],
    fill: () => Partial<ReportData> | Promise<Partial<ReportData>> = () => this.emaData(),
  ): Promise<void> {
    let started = performance.now();
    await writeReport(this.run.dir, async () => {
      const { run } = this;
      const filled = await fill();
      this.dataset ??= datasetData([run.train, run.val], run.imgsz, run.config.fraction === 1);
      const environment = await environmentFacts();
      started = performance.now(); // the dataset is looked at but once
      const { rows, epoch } = run.progress;
      return {
        mode: 'train',
        title: run.dir,
        state,
        written: new Date().toISOString(),
        progress: { epoch, epochs: run.schedule.epochs, secondsPerEpoch: median(epochSeconds(rows)) },
        key: this.timeFacts(),
        charts: rows.length ? epochCharts(rows) : undefined,
        names: run.train.names,
        dataset: this.dataset,
        settings: settingRows('train', run.config),
        environment,
        speed: this.speed(this.ema),
        command: run.description.commands.join('\n'),
        ...filled,
      };
    });
    this.lastWritten = performance.now();
    this.cost = this.lastWritten - started;
  }

  private timeFacts(): Fact[] {
    return [{ name: 'Time', value: spoken(this.run.progress.seconds) }];
  }

  private speed(evaluation: Evaluation | undefined): Fact[] {
    const { progress, train, config, schedule } = this.run;
    const seconds = median(epochSeconds(progress.rows));
    const epochs: Fact[] = seconds
      ? [
          { name: 'Epoch, with validation (median)', value: spoken(seconds) },
          { name: 'Images a second, all in all', value: (train.images.length / seconds).toFixed(1) },
        ]
      : [];
    return [
      { name: 'Time', value: spoken(progress.seconds) },
      { name: 'Batch and image size', value: `${schedule.batch} × ${config.imgsz}` },
      ...epochs,
      ...(evaluation ? speedFacts(evaluation.speed) : []),
    ];
  }
}

function epochSeconds(rows: readonly EpochRow[]): number[] {
  return rows.map(({ time }, i) => time - (rows[i - 1]?.time ?? 0));
}

/** 42 s, 3 min 20 s, 2 h 5 min. */
function spoken(seconds: number): string {
  if (seconds < 60) return `${Number(seconds.toPrecision(3))} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
