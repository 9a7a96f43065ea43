/**
 * report.html of a run: filled in from what training or validation has at hand anyway, written whole each time. A report
 * that cannot be made is a warning, never the end of a run. Only loaded when plots are asked for.
 */
import { join } from 'node:path';
import type { ValConfig } from '../../cfg/schema.js';
import { messageOf } from '../../core/errors.js';
import { log } from '../../core/log.js';
import type { Dataset } from '../../data/dataset.js';
import { examineOpen } from '../../data/doctor.js';
import { writeFileAtomic } from '../../io/files.js';
import type { DatasetData, Fact, ReportData } from '../../render/report/data.js';
import { renderReport } from '../../render/report/page.js';
import type { EpochRow } from '../train/results-csv.js';
import type { Run } from '../train/setup.js';
import { endOf } from '../train/stopper.js';
import type { TrainHooks } from '../train/trainer.js';
import type { Evaluation } from '../val/evaluate.js';
import { mistakesByKind } from '../val/mistakes.js';
import { environmentFacts } from './environment.js';
import { confusionData, curveData, epochCharts, keyFigures, speedFacts } from './figures.js';
import { collectImages, type ImageCollector } from './images.js';
import { commandLine, settingRows } from './settings.js';

export const REPORT = 'report.html';

/** Writing a report may take this part of a run's time; more often than that it waits for a later epoch. */
const MAX_TIME_SHARE = 0.05;

/** What the figures of an evaluation give to a report. */
function evaluated(evaluation: Evaluation): Partial<ReportData> {
  const { classes, images, instances, precision, recall, mAP50, perImage } = evaluation;
  return {
    classes,
    all: { images, instances, precision, recall, mAP50, 'mAP50-95': evaluation['mAP50-95'] },
    curves: curveData(evaluation),
    confusion: confusionData(evaluation),
    mistakes: evaluation.costs && mistakesByKind(evaluation),
    mistaken: perImage.filter(({ errors }) => errors.length > 0).length,
  };
}

function datasetOf(sets: Dataset[], imgsz: number, whole = true): DatasetData {
  const { data, ...rest } = examineOpen(sets, imgsz, whole);
  return { file: data, ...rest };
}

/** The report of a validation. */
export class ValReport {
  private readonly images = collectImages();

  constructor(
    private readonly config: ValConfig,
    private readonly dataset: Dataset,
  ) {}

  readonly add: ImageCollector['add'] = (image) => this.images.add(image);

  /** Never throws. */
  async write(dir: string, evaluation: Evaluation): Promise<void> {
    await withoutHarm(async () => {
      const { config, dataset } = this;
      const figures = evaluated(evaluation);
      const data: ReportData = {
        mode: 'val',
        title: dir,
        state: 'finished',
        written: new Date().toISOString(),
        key: keyFigures(evaluation),
        ...figures,
        images: figures.confusion && (await this.images.finish(evaluation, figures.confusion, dataset.names)),
        names: dataset.names,
        dataset: datasetOf([dataset], config.imgsz),
        settings: settingRows('val', config),
        environment: await environmentFacts(),
        speed: speedFacts(evaluation.speed),
        command: commandLine('val', config),
      };
      writeFileAtomic(join(dir, REPORT), renderReport(data));
    });
  }
}

/** Hooks that keep the report of a training run up to date, then call those given. */
export function withReport(run: Run, hooks: TrainHooks): TrainHooks {
  const report = new TrainReport(run);
  return {
    ...hooks,
    async onAverage(evaluation) {
      report.average = evaluation;
      await hooks.onAverage?.(evaluation);
    },
    async onEpoch() {
      await report.epoch();
      await hooks.onEpoch?.();
    },
    async onBestImage(image) {
      report.images.add(image);
      await hooks.onBestImage?.(image);
    },
    async onBest(evaluation) {
      await report.best(evaluation);
      await hooks.onBest?.(evaluation);
    },
    async onEnd() {
      await report.end();
      await hooks.onEnd?.();
    },
  };
}

class TrainReport {
  readonly images = collectImages();
  /** The last validation of the averaged weights. */
  average?: Evaluation;
  private dataset?: DatasetData;
  private environment?: Fact[];
  private finished = false;
  private lastWritten = 0;
  private cost = 0;

  constructor(private readonly run: Run) {}

  /** After an epoch, unless the page was written a moment ago. */
  async epoch(): Promise<void> {
    if (performance.now() - this.lastWritten < this.cost / MAX_TIME_SHARE) return;
    await this.write('running', this.average ? { key: keyFigures(this.average), ...evaluated(this.average) } : {});
  }

  /** After the validation of the best weights: everything. */
  async best(evaluation: Evaluation): Promise<void> {
    this.finished = true;
    await withoutHarm(async () => {
      const figures = evaluated(evaluation);
      const images =
        figures.confusion && (await this.images.finish(evaluation, figures.confusion, this.run.train.names));
      const key = [
        ...keyFigures(evaluation),
        { name: 'Best epoch', value: String(this.run.progress.bestEpoch + 1) },
        ...this.timeFacts(),
      ];
      await this.write('finished', { key, ...figures, images, speed: this.speed(evaluation) });
    });
  }

  /** However the run ends: the page must not say any longer that it is running. */
  async end(): Promise<void> {
    if (this.finished) return;
    const done = endOf(this.run) !== undefined;
    const last = this.average ? { key: keyFigures(this.average), ...evaluated(this.average) } : {};
    await this.write(done ? 'finished' : 'interrupted', last);
  }

  private async write(state: ReportData['state'], filled: Partial<ReportData>): Promise<void> {
    let started = performance.now();
    await withoutHarm(async () => {
      const { run } = this;
      this.dataset ??= datasetOf([run.train, run.val], run.imgsz, run.config.fraction === 1);
      this.environment = await environmentFacts();
      started = performance.now(); // the dataset is looked at but once
      const { rows, epoch } = run.progress;
      const data: ReportData = {
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
        environment: this.environment,
        speed: this.speed(this.average),
        command: run.description.commands.join('\n'),
        ...filled,
      };
      writeFileAtomic(join(run.dir, REPORT), renderReport(data));
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

/** Median, 0 for nothing. */
function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** 42 s, 3 min 20 s, 2 h 5 min. */
function spoken(seconds: number): string {
  if (seconds < 60) return `${Number(seconds.toPrecision(3))} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.floor(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

async function withoutHarm(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    log.warnOnce(`${REPORT} was not written: ${messageOf(error)}`);
  }
}
