/**
 * THE option table: every key once, with type, default, range, modes and meaning. Words and defaults are those that users
 * of the `yolo` command know. From it come the types below, conversion and checks (load.ts), help, completion, typo
 * suggestions and cfg/default.yaml.
 */
import { EXPORT_FORMATS, LABEL_FORMATS, OPTIMIZER_NAMES, SPLITS } from '../core/choices.js';
import { exportAdvice } from './export-advice.js';
import {
  type ChoiceByMode,
  choice,
  choiceByMode,
  custom,
  flag,
  integer,
  type Mode,
  number,
  type Option,
  text,
} from './option.js';
import {
  readBatch,
  readCache,
  readClasses,
  readDevice,
  readFreeze,
  readMultiScale,
  readRuns,
  readSize,
  readSwitchOrFile,
} from './readers.js';

const TRAIN = ['train', 'benchmark'] as const;
const VAL = ['val', 'benchmark'] as const;
const PREDICT = ['predict', 'benchmark'] as const;
/** Modes that run a network. */
const RUNS = ['train', 'val', 'predict', 'export', 'benchmark', 'show'] as const;
/** What the training loader does: `show` draws it, `benchmark` times it. */
const FEEDS = ['train', 'benchmark', 'show'] as const;
/** Modes that look for objects, and training for its validation after each epoch. */
const DETECTS = ['train', 'val', 'predict', 'export', 'benchmark'] as const;
const WRITES = ['train', 'val', 'predict', 'show', 'benchmark'] as const;
const ALL: readonly Mode[] = [...RUNS, 'check', 'convert', 'report'];

function under<T extends Record<string, { group: string }>>(group: string, options: T): T {
  for (const option of Object.values(options)) option.group = group;
  return options;
}

const basics = under('Model and data', {
  model: text(null, RUNS, 'weights (.pt, .safetensors), exported model, or network (.yaml)', {
    path: true,
    what: 'a file or a name such as yolov8n.pt',
  }),
  data: text(
    null,
    ['train', 'val', 'export', 'benchmark', 'show', 'check'],
    "train, val, benchmark, show, check: dataset YAML, or shapes for a made-up set; val: not given: that of the model's training; export: dataset YAML on which int8 measures its mAP",
    { path: true, what: 'a dataset YAML' },
  ),
  source: text(
    null,
    [...PREDICT, 'convert', 'show'],
    'predict, benchmark: file, folder, glob, .txt, .csv or .streams list, video, URL, webcam index, several with commas, - for standard input; convert: COCO .json, folder of VOC .xml, or dataset YAML; show: only these images of the dataset (what=assign)',
    { path: true, what: 'a file, folder, glob, list, URL, webcam index or -' },
  ),
  imgsz: custom(
    640,
    [...RUNS, 'check'],
    "image size in pixels, a multiple of 32; predict, export: also [h,w]; train, val, predict, export: not given: that of the model's training",
    {
      what: 'an integer from 32 to 8192, or [height, width] in predict and export',
      read: readSize,
    },
  ),
  batch: custom(16, RUNS, 'images at a time; train: -1 takes as many as fit the memory', {
    by: { predict: 1, export: 1 },
    what: 'an integer of at least 1, or in train -1 for the largest that fits the memory',
    read: readBatch,
  }),
  device: custom('auto', RUNS, 'auto, cpu or a GPU number', {
    what: 'auto, cpu or a GPU number',
    offer: ['auto', 'cpu', '0'],
    read: readDevice,
  }),
  tf32: flag(
    true,
    ['train', 'val', 'predict', 'benchmark'],
    'GPUs from 2020 on: convolutions round their inputs to 10 bits, for speed; false: full float32, as on a CPU',
  ),
  workers: integer(
    8,
    ['train', 'val', 'benchmark', 'show'],
    'threads that prepare images, at most one a core; 0: none',
    { min: 0 },
  ),
  cache: custom(false, FEEDS, 'keep decoded images: false, ram or disk', {
    what: 'false, ram or disk',
    offer: ['false', 'ram', 'disk'],
    flag: true,
    read: readCache,
  }),
  classes: custom(null, [...DETECTS, 'show', 'check'], 'only these class numbers, e.g. [0,2]', {
    what: 'class numbers such as 0 or [0,2], or none',
    read: readClasses,
  }),
  single_cls: flag(false, ['train', 'val', 'benchmark', 'show', 'check'], 'treat all classes as one'),
  fraction: number(1.0, FEEDS, 'part of the training images that is used', { above: 0, max: 1 }),
});

const output = under('Output', {
  project: text(null, WRITES, 'folder of the run folders; none: runs/detect', { path: true, what: 'a folder' }),
  name: text(null, WRITES, 'name of the run folder; none: the mode, numbered from the second run on', {
    what: 'a folder name',
  }),
  exist_ok: flag(false, WRITES, 'write into an existing run folder'),
  save: flag(true, [...TRAIN, 'predict'], 'train: write checkpoints; predict: write annotated images'),
  plots: flag(true, ['train', 'val', 'benchmark'], 'write plots, images and the report'),
  verbose: flag(true, ALL, 'say more; false: only results, warnings and errors'),
  json: flag(false, ALL, 'results as JSON on standard output, one object a line'),
});

const training = under('Training', {
  epochs: integer(100, FEEDS, 'passes over the training images', { min: 1 }),
  time: number(null, TRAIN, 'stop after so many hours; the epochs are fitted to it', { above: 0 }),
  patience: integer(100, TRAIN, 'stop after so many epochs without a better mAP; 0: never', { min: 0 }),
  save_period: integer(-1, TRAIN, 'keep a checkpoint every so many epochs; -1: only last and best', { min: -1 }),
  pretrained: custom(true, TRAIN, 'start from the weights of model; false: from scratch; a file: from its weights', {
    what: 'true, false or a weight file',
    flag: true,
    path: true,
    read: readSwitchOrFile,
  }),
  cls_remap: flag(true, TRAIN, 'with other classes, copy the outputs of classes that have the same name'),
  resume: custom(false, ['train'], 'go on with the last run (true), this run folder or this last.safetensors', {
    what: 'true, false or a checkpoint',
    flag: true,
    path: true,
    read: readSwitchOrFile,
  }),
  freeze: custom(null, TRAIN, 'keep the first n layers, or these layers, as they are', {
    what: 'a number of layers, a list of layer numbers, or none',
    read: readFreeze,
  }),
  seed: integer(0, FEEDS, 'start of all randomness', { min: 0 }),
  deterministic: flag(
    true,
    TRAIN,
    'the same seed gives the same bits; a GPU then takes slower kernels, a CPU does so in any case',
  ),
  close_mosaic: integer(10, FEEDS, 'no mosaic, mixup and cutmix in the last so many epochs', { min: 0 }),
  multi_scale: custom(0.0, FEEDS, 'vary the image size of batches by up to this part of imgsz', {
    what: 'a number from 0 to 1',
    flag: true,
    read: readMultiScale,
  }),
  val: flag(true, TRAIN, 'validate after each epoch'),
  optimizer: choice('auto', TRAIN, 'auto: SGD for over 10,000 steps, else AdamW with a fitting lr0', {
    of: ['auto', ...OPTIMIZER_NAMES],
    advice: 'In the place of MuSGD take SGD, which is the nearest.',
  }),
  lr0: number(0.01, TRAIN, 'learning rate at the start', { above: 0 }),
  lrf: number(0.01, TRAIN, 'learning rate at the end, as a part of lr0', { min: 0 }),
  cos_lr: flag(false, TRAIN, 'learning rate falls along a cosine instead of a line'),
  momentum: number(0.937, TRAIN, 'SGD momentum, beta1 of Adam and its kin', { min: 0, max: 0.999999 }),
  weight_decay: number(0.0005, TRAIN, 'weight decay of convolutions; scaled by batch and nbs', { min: 0 }),
  warmup_epochs: number(3.0, TRAIN, 'epochs of warm-up, parts allowed', { min: 0 }),
  warmup_momentum: number(0.8, TRAIN, 'momentum at the start of the warm-up', { min: 0, max: 0.999999 }),
  warmup_bias_lr: number(0.1, TRAIN, 'learning rate of biases at the start of the warm-up', { min: 0 }),
  nbs: integer(64, TRAIN, 'batches are accumulated until about so many images make a step', { min: 1 }),
});

const loss = under('Loss', {
  box: number(7.5, TRAIN, 'gain of the box loss (CIoU)', { min: 0 }),
  cls: number(0.5, TRAIN, 'gain of the class loss', { min: 0 }),
  cls_pw: number(0.0, TRAIN, 'weight rare classes more: (1/frequency) to this power; 0: off', { min: 0 }),
  dfl: number(1.5, TRAIN, 'gain of the distribution focal loss', { min: 0 }),
});

const augmentation = under('Augmentation', {
  hsv_h: number(0.015, FEEDS, 'hue shift, part of the circle', { min: 0, max: 1 }),
  hsv_s: number(0.7, FEEDS, 'saturation change, part', { min: 0, max: 1 }),
  hsv_v: number(0.4, FEEDS, 'brightness change, part', { min: 0, max: 1 }),
  degrees: number(0.0, FEEDS, 'rotation, +/- degrees', { min: 0, max: 180 }),
  translate: number(0.1, FEEDS, 'shift, +/- part of the image', { min: 0, max: 1 }),
  scale: number(0.5, FEEDS, 'enlarge or shrink, +/- part', { min: 0, max: 1 }),
  shear: number(0.0, FEEDS, 'shear, +/- degrees', { min: 0, max: 180 }),
  perspective: number(0.0, FEEDS, 'perspective, up to about 0.001', { min: 0, max: 0.01 }),
  flipud: number(0.0, FEEDS, 'flip upside down, probability', { min: 0, max: 1 }),
  fliplr: number(0.5, FEEDS, 'flip left and right, probability', { min: 0, max: 1 }),
  bgr: number(0.0, FEEDS, 'swap red and blue, probability', { min: 0, max: 1 }),
  mosaic: number(1.0, FEEDS, 'four images in one, probability', { min: 0, max: 1 }),
  mixup: number(0.0, FEEDS, 'blend two images, probability', { min: 0, max: 1 }),
  cutmix: number(0.0, FEEDS, 'paste a part of another image, probability', { min: 0, max: 1 }),
});

const detection = under('Detection', {
  conf: number(0.25, DETECTS, 'lowest confidence of a detection', { by: { train: 0.001, val: 0.001 }, min: 0, max: 1 }),
  iou: number(0.7, DETECTS, 'boxes that overlap by more are one object (NMS)', { min: 0, max: 1 }),
  max_det: integer(300, DETECTS, 'most detections an image', { min: 1, max: 30000 }),
  agnostic_nms: flag(false, DETECTS, 'NMS across classes'),
  augment: flag(false, ['val', ...PREDICT], 'detect at three scales and merge (TTA): slower, a little better'),
  half: flag(
    false,
    ['val', 'predict', 'export', 'benchmark'],
    'half precision; val, predict: bfloat16 on a CPU; export: float16 weights',
  ),
  rect: flag(
    false,
    ['train', 'val', 'predict', 'benchmark', 'show'],
    'pad only to the next multiple of 32 instead of to a square; train: no mosaic',
    { by: { val: true, predict: true } },
  ),
});

const validation = under('Validation', {
  split: choice('val', [...VAL, 'export', 'show'], 'part of the dataset', { of: SPLITS }),
  save_json: flag(false, VAL, 'write predictions.json in COCO form'),
  visualize: flag(false, VAL, 'draw hits, false positives and misses of every image'),
});

const prediction = under('Prediction', {
  save_txt: flag(false, [...VAL, ...PREDICT], 'write labels/<stem>.txt: a row class cx cy w h an object'),
  save_conf: flag(false, [...VAL, ...PREDICT], 'confidence as a sixth column of labels/<stem>.txt'),
  save_crop: flag(false, PREDICT, 'write every object to crops/<class>/'),
  save_frames: flag(false, PREDICT, 'write the frames of a video as images'),
  vid_stride: integer(1, PREDICT, 'take the last of every n frames of a video', { min: 1 }),
  stream_buffer: flag(false, PREDICT, 'take every frame of a stream; false: the newest one'),
  show_labels: flag(true, PREDICT, 'draw class names'),
  show_conf: flag(true, PREDICT, 'draw confidences'),
  show_boxes: flag(true, PREDICT, 'draw boxes'),
  line_width: integer(null, PREDICT, 'width of drawn lines in pixels; none: by the image size', { min: 1, max: 200 }),
});

const exporting = under('Export, convert', {
  format: choiceByMode(
    { export: EXPORT_FORMATS, convert: LABEL_FORMATS },
    'export: format of the exported model; convert: format of the labels to write',
    { advice: (format, mode) => (mode === 'export' ? exportAdvice(format) : undefined) },
  ),
  dynamic: flag(false, ['export'], 'onnx: batch, height and width are free'),
  opset: integer(null, ['export'], 'onnx: version of the operator set; none: 17', { min: 13, max: 22 }),
  int8: flag(false, ['export'], 'tfjs: 8-bit weights'),
  nms: flag(false, ['export'], 'onnx: the graph ends in final detections'),
  out: text(null, ['convert', 'report'], 'folder to write into', { path: true, what: 'a folder' }),
});

const tools = under('Benchmark, show, report', {
  what: choiceByMode(
    { benchmark: ['step', 'epoch', 'predict', 'val'], show: ['batch', 'assign'] },
    'benchmark: what is measured; show: what is drawn',
  ),
  steps: integer(10, ['benchmark'], 'measured training steps (what=step)', { min: 1 }),
  threads: integer(0, ['benchmark'], 'threads of the engine; 0: its own choice', { min: 0 }),
  runs: custom([], ['report'], 'run folders to compare; may be named without runs=', {
    what: 'run folders',
    path: true,
    read: readRuns,
  }),
});

export const OPTIONS = {
  ...basics,
  ...output,
  ...training,
  ...loss,
  ...augmentation,
  ...detection,
  ...validation,
  ...prediction,
  ...exporting,
  ...tools,
};

export type Key = keyof typeof OPTIONS;
type ValueOf<O> = O extends Option<infer T> ? T : never;
/** The keys that a mode honours. */
export type KeyOf<M extends Mode> = {
  [K in Key]: (typeof OPTIONS)[K] extends Option<unknown, infer Honours> ? (M extends Honours ? K : never) : never;
}[Key];
/** Every key with its value, whatever the mode; frozen. */
export type Config = Readonly<{ task: 'detect'; mode: Mode } & { [K in Key]: ValueOf<(typeof OPTIONS)[K]> }>;
/** A configuration of one mode: imgsz is one number but for predict and export, and where a model is needed there is one. */
export type ConfigOf<M extends Mode> = Omit<Config, 'mode' | 'imgsz' | 'model' | ByMode> &
  Readonly<{ [K in ByMode]: WordsOf<K, M> }> &
  Readonly<{
    mode: M;
    imgsz: M extends 'predict' | 'export' ? Config['imgsz'] : number;
    model: M extends 'val' | 'predict' | 'export' ? string : Config['model'];
  }>;
/** What a program may say in a mode: the keys that it honours, each with the values that it takes there. */
export type OptionsOf<M extends Mode> = {
  [K in KeyOf<M>]?: ConfigOf<M>[K];
};
/** Keys whose words depend on the mode, and those words. */
type ByMode = { [K in Key]: (typeof OPTIONS)[K] extends ChoiceByMode<infer _> ? K : never }[Key];
type WordsOf<K extends Key, M> =
  (typeof OPTIONS)[K] extends ChoiceByMode<infer W>
    ? M extends keyof W
      ? W[M] extends readonly (infer T)[]
        ? T
        : never
      : never
    : never;
/** How training images are augmented. */
export type AugmentSettings = Pick<Config, keyof typeof augmentation>;
export type TrainConfig = ConfigOf<'train'>;
export type ValConfig = ConfigOf<'val'>;
export type PredictConfig = ConfigOf<'predict'>;
export type ExportConfig = ConfigOf<'export'>;

export const KEYS = Object.keys(OPTIONS) as Key[];
export const AUGMENTATION_KEYS = Object.keys(augmentation) as (keyof AugmentSettings)[];

/** The row of a key, without its value's type. */
export function optionOf(key: Key): Option<unknown> {
  return OPTIONS[key] as Option<unknown>;
}

/** The keys that a mode honours, in the table's order. */
export function keysOf(mode: Mode): Key[] {
  return KEYS.filter((key) => optionOf(key).modes.includes(mode));
}

/** What a key is worth in a mode when nobody says anything. */
export function defaultOf(key: Key, mode: Mode): unknown {
  return optionOf(key).modeDefaults[mode] ?? optionOf(key).default;
}

/** Whether the key's default depends on the mode; default.yaml then says null. */
export function differsByMode(key: Key): boolean {
  return Object.keys(OPTIONS[key].modeDefaults).length > 0;
}
