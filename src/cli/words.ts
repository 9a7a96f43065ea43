/** The words that may follow `yolo`, each with what help says of it and examples. */
import { MODES, type Mode } from '../cfg/option.js';
import { EXPORT_FORMATS } from '../core/choices.js';

/** What a mode does. */
export const ABOUT: Record<Mode, string> = {
  train: 'train a network on a dataset, or resume a run',
  val: 'validate a model on a dataset, and show its errors',
  predict: 'detect objects in images, videos and streams',
  track: 'detect objects and follow them from frame to frame',
  export: `write a model as ${EXPORT_FORMATS.join(', ')}`,
  benchmark: 'measure the speed of training, prediction and validation',
  check: 'examine a dataset before training on it',
  convert: 'convert COCO or Pascal VOC annotations to YOLO labels, and back',
  show: 'draw what the data loader yields, or what the assigner picks',
  report: 'compare training runs side by side in one page',
  merge: 'put the results of predict or val with shard=i/n together',
};

/** Words that are no mode, and what they do. */
export const COMMANDS = {
  help: 'this text; yolo help MODE: the keys of a mode',
  checks: 'engine, versions, what is missing; yolo checks gpu: test a GPU',
  setup: 'install the native engine; yolo setup gpu: the one for GPUs',
  version: 'print the version',
  cfg: 'print every key with its default',
  'copy-cfg': 'write them to default_copy.yaml here, for use as cfg=',
  completion: 'print the completion script for a shell: bash, zsh, fish',
};
export type CommandWord = keyof typeof COMMANDS;

export const EXAMPLES: Record<Mode, string[]> = {
  train: ['yolo train data=coco128.yaml model=yolov8n.pt epochs=10', 'yolo train resume=runs/detect/train'],
  val: ['yolo val model=yolov8n.pt data=coco128.yaml'],
  predict: ['yolo predict model=yolov8n.pt source=bus.jpg', 'yolo predict source=videos/ save_txt json'],
  track: ['yolo track model=yolov8n.pt source=videos/', 'yolo track source=videos/ zones=zones.yaml json'],
  export: ['yolo export model=yolov8n.pt format=onnx', 'yolo export model=best.safetensors format=tfjs half'],
  benchmark: ['yolo benchmark what=step imgsz=320 batch=8'],
  check: ['yolo check data=my.yaml'],
  convert: ['yolo convert source=annotations.json out=my-data', 'yolo convert source=my.yaml format=coco out=coco'],
  show: ['yolo show data=coco128.yaml', 'yolo show what=assign data=coco128.yaml model=yolov8n.pt'],
  report: ['yolo report runs/detect/train runs/detect/train-2'],
  merge: ["yolo merge 'runs/detect/predict-shard-*'"],
};

/** An example line for messages about something missing. */
export function exampleOf(mode: Mode): string {
  return `For example: ${EXAMPLES[mode][0]}`;
}

export const isMode = (word: string): word is Mode => (MODES as readonly string[]).includes(word);
export const isCommand = (word: string): word is CommandWord => Object.hasOwn(COMMANDS, word);
