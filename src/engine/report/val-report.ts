/** report.html of a validation. */
import type { ValConfig } from '../../cfg/schema.js';
import type { Dataset } from '../../data/dataset.js';
import type { EvaluatedImage, EvaluateObserver, Evaluation } from '../val/evaluate.js';
import { environmentFacts } from './environment.js';
import { keyFigures, speedFacts } from './figures.js';
import { collectImages } from './images.js';
import { datasetData, evaluationWithImages, writeReport } from './report.js';
import { commandLine, settingRows } from './settings.js';

/** Collects the images of a validation and writes its report at the end. */
export class ValReport implements EvaluateObserver {
  private readonly images = collectImages();

  /** @param engine that ran the model; default: the one of this process */
  constructor(
    private readonly dir: string,
    private readonly config: ValConfig,
    private readonly dataset: Dataset,
    private readonly engine?: string,
  ) {}

  onImage(image: EvaluatedImage): void {
    this.images.add(image);
  }

  async onEnd(evaluation: Evaluation): Promise<void> {
    const { dir, config, dataset } = this;
    await writeReport(dir, async () => ({
      mode: 'val',
      title: dir,
      state: 'finished',
      written: new Date().toISOString(),
      key: keyFigures(evaluation),
      ...(await evaluationWithImages(evaluation, this.images, dataset.names)),
      names: dataset.names,
      dataset: datasetData([dataset], config.imgsz),
      settings: settingRows('val', config),
      environment: await environmentFacts(this.engine),
      speed: speedFacts(evaluation.speed),
      command: commandLine('val', config),
    }));
  }
}
