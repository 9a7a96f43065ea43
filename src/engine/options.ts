/** Keys of a configuration under the names that the layers below have for them: translated here and nowhere else in engine/. */
import { nmsOptions } from '../cfg/nms-options.js';
import type { Config, ConfigOf } from '../cfg/schema.js';
import type { DatasetImage, OpenOptions } from '../data/dataset.js';
import { limitWorkers, type TrainLoaderOptions } from '../data/loader.js';
import type { NmsOptions } from '../detect/nms.js';

/** What is kept of a network's predictions. */
export function detectionOptions(
  config: Pick<Config, 'conf' | 'iou' | 'max_det' | 'agnostic_nms' | 'classes'>,
): NmsOptions {
  return { ...nmsOptions(config), classes: config.classes ?? undefined };
}

/** Which labels of a dataset count. */
export function datasetOptions({ single_cls, classes }: Pick<Config, 'single_cls' | 'classes'>): OpenOptions {
  return { singleCls: single_cls, classes };
}

/**
 * How training batches are made.
 * @param imgsz long side of the network's input, pixels; a multiple of its stride
 */
export function trainLoaderOptions(
  config: ConfigOf<'train'> | ConfigOf<'show'>,
  images: DatasetImage[],
  { batch, imgsz }: { batch: number; imgsz: number },
): TrainLoaderOptions {
  return {
    images,
    imgsz,
    batch,
    augment: config,
    seed: config.seed,
    workers: limitWorkers(config.workers),
    cache: config.cache,
    rect: config.rect,
    multiScale: config.multi_scale,
  };
}
