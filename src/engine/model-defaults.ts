/**
 * What a model was trained with is the default for using it: the size of its images, for validation also its dataset and
 * whether all classes were one. What the user says goes over it; what comes from the model is said.
 */
import { statSync } from 'node:fs';
import { findDataYaml, loadDataYaml, splitSources } from '../cfg/data-yaml.js';
import { wasGiven } from '../cfg/load.js';
import type { Config } from '../cfg/schema.js';
import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import { isShapes } from '../data/shapes.js';
import type { Detector } from '../detect/detector.js';
import { type Trained, trainedWith } from '../nn/trained.js';
import { openCheckpoint, resolveModelPath } from '../nn/weights.js';

type Size = Config['imgsz'];

/** Models whose image size was said. */
const announced = new WeakSet<object>();

/**
 * The size of the network's input, before it is rounded to its stride.
 * @param config what was asked for
 * @param model a model that is loaded, or what a checkpoint says
 */
export function sizeFor(config: { imgsz: Size }, model: Pick<Detector, 'trained' | 'fixedShape'>): Size {
  const { fixedShape, trained } = model;
  const { imgsz } = config;
  if (fixedShape) {
    const [h, w] = fixedShape;
    const asked = typeof imgsz === 'number' ? [imgsz, imgsz] : imgsz;
    if (wasGiven(config, 'imgsz') && (asked[0] !== h || asked[1] !== w))
      log.warn(`imgsz=${written(imgsz)} has no effect: the model was exported for ${h}x${w}`);
    return fixedShape;
  }
  if (wasGiven(config, 'imgsz') || trained?.imgsz === undefined || written(trained.imgsz) === written(imgsz))
    return imgsz;
  if (!announced.has(model)) log.info(`imgsz=${written(trained.imgsz)}: the model was trained with it`);
  announced.add(model);
  return trained.imgsz;
}

/** The same where images are square: the longer side. */
export function sideFor(config: { imgsz: Size }, model: Pick<Detector, 'trained' | 'fixedShape'>): number {
  const size = sizeFor(config, model);
  return typeof size === 'number' ? size : Math.max(...size);
}

function written(size: Size): string {
  return typeof size === 'number' ? String(size) : `[${size.join(',')}]`;
}

/** What a checkpoint says; nothing for exported models and descriptions of networks. */
export async function trainedOf(model: string): Promise<Trained> {
  if (/\.(ya?ml|onnx|json|pb)$/i.test(model)) return {};
  const path = await resolveModelPath(model);
  if (statSync(path).isDirectory()) return {};
  const checkpoint = await openCheckpoint(path);
  checkpoint.close();
  return trainedWith(checkpoint.trainArgs);
}

/**
 * The configuration of a validation with dataset and classes as in training, where the user does not say.
 * @throws UserError when no dataset is named, or that of the training is not here
 */
export async function withTrainedData<C extends { model: string; data: string | null; single_cls: boolean }>(
  config: C,
  split: Config['split'],
): Promise<C & { data: string }> {
  // A dataset that is not there is told before a model is fetched.
  if (config.data && !isShapes(config.data)) findDataYaml(config.data);
  const trained = config.data && wasGiven(config, 'single_cls') ? {} : await trainedOf(config.model);
  const single = !wasGiven(config, 'single_cls') && trained.singleCls === true;
  if (single) log.info('single_cls=true: the model was trained with it');
  const data = config.data ?? trained.data;
  if (!config.data) {
    requireHere(trained.data, split);
    log.info(`data=${trained.data}: the model was trained with it`);
  }
  return { ...config, data: data!, single_cls: config.single_cls || single };
}

/** A dataset that nobody named is not fetched: it must be on this machine. */
function requireHere(data: string | undefined, split: Config['split']): void {
  const example = `for example: yolo val model=yolov8n.pt data=${data ?? 'coco128.yaml'}`;
  if (data === undefined) throw new UserError('missing-data', 'validation needs a dataset: data= is missing', example);
  try {
    if (!isShapes(data)) splitSources(loadDataYaml(findDataYaml(data)), split);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const text = `data= is missing, and what the model was trained with is not here (data=${data})`;
    throw new UserError('missing-data', text, example);
  }
}
