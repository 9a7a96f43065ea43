/**
 * The option table: every key once, with type, default, range, modes and meaning. Names and defaults are those that users
 * of the `yolo` command know. From it come the types below, conversion and validation (load.ts), help, completion,
 * suggestions for typos, and cfg/default.yaml (`npm run generate`).
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
  readAmp,
  readBatch,
  readCache,
  readClasses,
  readDevice,
  readFreeze,
  readMultiScale,
  readRuns,
  readShard,
  readSize,
  readSwitchOrFile,
} from './readers.js';

const TRAIN = ['train', 'benchmark'] as const;
const VAL = ['val', 'benchmark'] as const;
const PREDICT = ['predict', 'track', 'benchmark'] as const;
/** Modes that run a network. */
const RUNS = ['train', 'val', 'predict', 'track', 'export', 'benchmark', 'show'] as const;
/** Modes that use the training loader: `show` draws its batches, `benchmark` times it. */
const FEEDS = ['train', 'benchmark', 'show'] as const;
/** Modes that detect objects, and training for its validation after each epoch. */
const DETECTS = ['train', 'val', 'predict', 'track', 'export', 'benchmark'] as const;
const WRITES = ['train', 'val', 'predict', 'track', 'show', 'benchmark', 'merge'] as const;
const ALL: readonly Mode[] = [...RUNS, 'check', 'convert', 'report', 'merge'];

function under<T extends Record<string, { group: string }>>(group: string, options: T): T {
  for (const option of Object.values(options)) option.group = group;
  return options;
}

const basics = under('Model and data', {
  model: text(null, RUNS, 'weights (.pt, .safetensors), an exported model, or a network description (.yaml)', {
    path: true,
    what: 'a file or a name such as yolov8n.pt',
  }),
  data: text(
    null,
    ['train', 'val', 'export', 'benchmark', 'show', 'check'],
    "train, val, benchmark, show, check: dataset YAML, or shapes for a generated dataset; val: if not given, that of the model's training; export: dataset YAML on which the mAP of int8 is measured",
    { path: true, what: 'a dataset YAML' },
  ),
  source: text(
    null,
    [...PREDICT, 'convert', 'show'],
    'predict, track, benchmark: file, folder, glob, .txt, .csv or .streams list, video, URL or webcam index, several separated by commas, or - for standard input; convert: COCO .json, folder of VOC .xml, or dataset YAML; show: only these images of the dataset (what=assign)',
    { path: true, what: 'a file, folder, glob, list, URL, webcam index or -' },
  ),
  imgsz: custom(
    640,
    [...RUNS, 'check'],
    "image size in pixels, a multiple of 32; predict, track, export: or [h,w]; train, val, predict, track, export: if not given, that of the model's training",
    {
      what: 'an integer from 32 to 8192, or [height, width] in predict, track and export',
      read: readSize,
    },
  ),
  batch: custom(16, RUNS, 'images per batch; train: -1 for the largest batch that fits into memory', {
    by: { predict: 1, track: 1, export: 1 },
    what: 'an integer of at least 1, or in train -1 for the largest batch that fits into memory',
    read: readBatch,
  }),
  device: custom('auto', RUNS, 'auto, cpu or a GPU number', {
    what: 'auto, cpu or a GPU number',
    offer: ['auto', 'cpu', '0'],
    read: readDevice,
  }),
  tf32: flag(
    true,
    ['train', 'val', 'predict', 'track', 'benchmark'],
    'let GPUs from 2020 on round the inputs of convolutions to 10 bits (TF32), for speed; false: full float32, as on a CPU',
  ),
  workers: integer(
    8,
    ['train', 'val', 'benchmark', 'show'],
    'number of threads that prepare images, at most one per core; 0: none',
    { min: 0 },
  ),
  cache: custom(false, FEEDS, 'cache decoded images: false, ram or disk', {
    what: 'false, ram or disk',
    offer: ['false', 'ram', 'disk'],
    flag: true,
    read: readCache,
  }),
  shard: custom(
    null,
    ['val', 'predict'],
    'only part i of n, written i/n, e.g. 2/8: each part by a process of its own; yolo merge puts their results together',
    {
      what: 'i/n with i from 1 to n, such as 1/4, or none',
      read: readShard,
      advice: 'parts are numbered from 1: with an index from 0 write shard=$((INDEX + 1))/N',
    },
  ),
  classes: custom(null, [...DETECTS, 'show', 'check'], 'restrict to these class indices, e.g. [0,2]', {
    what: 'class indices such as 0 or [0,2], or none',
    read: readClasses,
  }),
  single_cls: flag(false, ['train', 'val', 'benchmark', 'show', 'check'], 'treat all classes as one'),
  fraction: number(1.0, FEEDS, 'fraction of the training images to use', { above: 0, max: 1 }),
});

const output = under('Output', {
  project: text(null, WRITES, 'folder that holds the run folders; none: runs/detect', { path: true, what: 'a folder' }),
  name: text(
    null,
    WRITES,
    'name of the run folder; none: the mode, numbered from the second run on; merge: if not given, that of the shards',
    {
      what: 'a folder name',
    },
  ),
  exist_ok: flag(false, WRITES, 'write into an existing run folder'),
  save: flag(true, [...TRAIN, 'predict', 'track'], 'train: write checkpoints; predict, track: write annotated images'),
  plots: flag(true, ['train', 'val', 'benchmark'], 'write plots, images and the report'),
  verbose: flag(true, ALL, 'detailed messages; false: only results, warnings and errors'),
  json: flag(false, ALL, 'print results as JSON, one object per line'),
});

const training = under('Training', {
  epochs: integer(100, FEEDS, 'number of passes over the training images', { min: 1 }),
  time: number(null, TRAIN, 'maximum training time in hours; the number of epochs is adapted to it', { above: 0 }),
  patience: integer(100, TRAIN, 'stop after this many epochs without a better mAP; 0: never', { min: 0 }),
  save_period: integer(-1, TRAIN, 'save a checkpoint every this many epochs; -1: only last and best', { min: -1 }),
  pretrained: custom(
    true,
    TRAIN,
    'start from the weights of model; false: train from scratch; a file: start from its weights',
    {
      what: 'true, false or a weight file',
      flag: true,
      path: true,
      read: readSwitchOrFile,
    },
  ),
  cls_remap: flag(true, TRAIN, 'when class lists differ, copy the weights of classes with the same name'),
  resume: custom(false, ['train'], 'resume the last run (true), this run folder or this last.safetensors', {
    what: 'true, false or a checkpoint',
    flag: true,
    path: true,
    read: readSwitchOrFile,
  }),
  freeze: custom(null, TRAIN, 'freeze the first n layers, or the layers in this list', {
    what: 'a number of layers, a list of layer numbers, or none',
    read: readFreeze,
  }),
  seed: integer(0, FEEDS, 'random seed', { min: 0 }),
  deterministic: flag(
    true,
    TRAIN,
    'bit-identical results for the same seed; a GPU uses slower kernels for it, a CPU is always deterministic',
  ),
  amp: custom(
    'auto',
    TRAIN,
    'mixed precision: convolutions in bfloat16 (bf16), in float32 (false), or in bfloat16 where that is faster (auto)',
    { what: 'auto, bf16 or false', offer: ['auto', 'bf16', 'false'], flag: true, read: readAmp },
  ),
  close_mosaic: integer(10, FEEDS, 'number of final epochs without mosaic, mixup and cutmix', { min: 0 }),
  multi_scale: custom(0.0, FEEDS, 'vary the image size of each batch by up to this fraction of imgsz', {
    what: 'a number from 0 to 1',
    flag: true,
    read: readMultiScale,
  }),
  val: flag(true, TRAIN, 'validate after each epoch'),
  optimizer: choice('auto', TRAIN, 'optimizer; auto uses SGD for more than 10,000 steps, else AdamW, and sets lr0', {
    of: ['auto', ...OPTIMIZER_NAMES],
    advice: 'Instead of MuSGD use SGD, which is the closest.',
  }),
  lr0: number(0.01, TRAIN, 'initial learning rate', { above: 0 }),
  lrf: number(0.01, TRAIN, 'final learning rate, as a fraction of lr0', { min: 0 }),
  cos_lr: flag(false, TRAIN, 'cosine instead of linear decay of the learning rate'),
  momentum: number(0.937, TRAIN, 'momentum of SGD and RMSProp, beta1 of Adam and its variants', {
    min: 0,
    max: 0.999999,
  }),
  weight_decay: number(0.0005, TRAIN, 'weight decay of convolution kernels; scaled by batch and nbs', { min: 0 }),
  warmup_epochs: number(3.0, TRAIN, 'length of the warm-up in epochs, may be fractional', { min: 0 }),
  warmup_momentum: number(0.8, TRAIN, 'momentum at the start of the warm-up', { min: 0, max: 0.999999 }),
  warmup_bias_lr: number(0.1, TRAIN, 'learning rate of biases at the start of the warm-up', { min: 0 }),
  nbs: integer(64, TRAIN, 'nominal batch size: gradients are accumulated over about this many images', { min: 1 }),
});

const cluster = under('Several processes or machines', {
  processes: integer(1, ['train'], 'start this many processes on this machine, which share each batch', { min: 1 }),
  sync_bn: flag(
    false,
    ['train'],
    'BatchNorm with the statistics of the whole batch, not of the part of each process; slower',
  ),
  timeout: number(300, ['train'], 'seconds that a process waits for the others before it gives up', { min: 1 }),
  restarts: integer(3, ['train'], 'with processes: how many times all are started again when one of them is lost', {
    min: 0,
  }),
  insecure: flag(
    false,
    ['train'],
    'accept connections of other processes on all addresses of this machine, where it cannot be kept to one',
  ),
});

const loss = under('Loss', {
  box: number(7.5, TRAIN, 'weight of the box loss (CIoU)', { min: 0 }),
  cls: number(0.5, TRAIN, 'weight of the class loss', { min: 0 }),
  cls_pw: number(0.0, TRAIN, 'weight classes by (1/frequency) to this power; 0: all equally', { min: 0 }),
  dfl: number(1.5, TRAIN, 'weight of the distribution focal loss', { min: 0 }),
});

const augmentation = under('Augmentation', {
  hsv_h: number(0.015, FEEDS, 'maximum hue shift, as a fraction of a full turn', { min: 0, max: 1 }),
  hsv_s: number(0.7, FEEDS, 'maximum change of saturation, as a fraction', { min: 0, max: 1 }),
  hsv_v: number(0.4, FEEDS, 'maximum change of brightness, as a fraction', { min: 0, max: 1 }),
  degrees: number(0.0, FEEDS, 'maximum rotation, +/- degrees', { min: 0, max: 180 }),
  translate: number(0.1, FEEDS, 'maximum translation, +/- fraction of the image size', { min: 0, max: 1 }),
  scale: number(0.5, FEEDS, 'maximum change of scale, +/- fraction', { min: 0, max: 1 }),
  shear: number(0.0, FEEDS, 'maximum shear, +/- degrees', { min: 0, max: 180 }),
  perspective: number(0.0, FEEDS, 'maximum perspective distortion, useful up to about 0.001', { min: 0, max: 0.01 }),
  flipud: number(0.0, FEEDS, 'probability of a vertical flip', { min: 0, max: 1 }),
  fliplr: number(0.5, FEEDS, 'probability of a horizontal flip', { min: 0, max: 1 }),
  bgr: number(0.0, FEEDS, 'probability of swapping red and blue', { min: 0, max: 1 }),
  mosaic: number(1.0, FEEDS, 'probability of a mosaic of four images', { min: 0, max: 1 }),
  mixup: number(0.0, FEEDS, 'probability of blending two images', { min: 0, max: 1 }),
  cutmix: number(0.0, FEEDS, 'probability of pasting a part of another image', { min: 0, max: 1 }),
});

const detection = under('Detection', {
  conf: number(0.25, DETECTS, 'confidence threshold of detections', {
    by: { train: 0.001, val: 0.001, track: 0.1 },
    min: 0,
    max: 1,
  }),
  iou: number(0.7, DETECTS, 'IoU threshold of non-maximum suppression (NMS)', { min: 0, max: 1 }),
  max_det: integer(300, DETECTS, 'maximum detections per image', { min: 1, max: 30000 }),
  agnostic_nms: flag(false, DETECTS, 'suppress overlapping boxes of different classes, too'),
  augment: flag(
    false,
    ['val', ...PREDICT],
    'test-time augmentation: detect at three scales and merge, slower and slightly more accurate',
  ),
  tile: integer(
    null,
    ['val', ...PREDICT],
    'for small objects: detect in overlapping tiles of this many pixels and in the whole image, and merge; none: only in the whole image',
    { min: 32 },
  ),
  tile_overlap: number(0.2, ['val', ...PREDICT], 'overlap of neighbouring tiles, as a fraction of tile', {
    min: 0,
    max: 0.99,
  }),
  half: flag(
    false,
    ['val', 'predict', 'track', 'export', 'benchmark'],
    'half precision; val, predict, track: bfloat16 on a CPU; export: float16 weights',
  ),
  rect: flag(
    false,
    ['train', 'val', 'predict', 'track', 'benchmark', 'show'],
    'pad images to the next multiple of 32 instead of to a square; train: without mosaic',
    { by: { val: true, predict: true, track: true } },
  ),
});

const validation = under('Validation', {
  split: choice('val', [...VAL, 'export', 'show'], 'dataset split', { of: SPLITS }),
  save_json: flag(false, VAL, 'write predictions.json in COCO format'),
  visualize: flag(false, VAL, 'draw true positives, false positives and misses on every image'),
});

const prediction = under('Prediction', {
  save_txt: flag(
    false,
    [...VAL, ...PREDICT],
    'write labels/<stem>.txt, one row per object: class cx cy w h; track: the id is the last column',
  ),
  save_conf: flag(false, [...VAL, ...PREDICT], 'write the confidence as sixth column of labels/<stem>.txt'),
  save_crop: flag(
    false,
    PREDICT,
    'predict, benchmark: save an image of every object in crops/<class>/; track: save images of every object in crops/<class>/<id>/',
  ),
  save_frames: flag(false, PREDICT, 'save the frames of videos as images'),
  vid_stride: integer(1, PREDICT, 'frame stride of videos: predict the last of every n frames', { min: 1 }),
  stream_buffer: flag(false, PREDICT, 'predict every frame of a stream; false: the latest one'),
  show_labels: flag(true, PREDICT, 'draw class names'),
  show_conf: flag(true, PREDICT, 'draw confidences'),
  show_boxes: flag(true, PREDICT, 'draw boxes'),
  line_width: integer(null, PREDICT, 'line width of boxes in pixels; none: by image size', { min: 1, max: 200 }),
});

const tracking = under('Tracking', {
  tracker: text('bytetrack.yaml', ['track'], 'settings of the tracker, a YAML file', {
    path: true,
    what: 'a YAML file such as bytetrack.yaml',
  }),
  zones: text(null, ['track'], 'YAML file of polygons and lines: count the objects inside, and crossings', {
    path: true,
    what: 'a YAML file',
  }),
});

const exporting = under('Export, convert', {
  format: choiceByMode(
    { export: EXPORT_FORMATS, convert: LABEL_FORMATS },
    'export: format of the exported model; convert: format of the labels to write',
    { advice: (format, mode) => (mode === 'export' ? exportAdvice(format) : undefined) },
  ),
  dynamic: flag(false, ['export'], 'onnx: dynamic batch size, height and width'),
  opset: integer(null, ['export'], 'onnx: version of the operator set; none: 17', { min: 13, max: 22 }),
  int8: flag(false, ['export'], 'tfjs: 8-bit weights'),
  nms: flag(false, ['export'], 'onnx: include NMS, the graph outputs final detections'),
  out: text(null, ['convert', 'report'], 'output folder', { path: true, what: 'a folder' }),
});

const tools = under('Benchmark, show, report, merge', {
  what: choiceByMode(
    { benchmark: ['all', 'step', 'epoch', 'predict', 'val'], show: ['batch', 'assign'] },
    'benchmark: what to measure; show: what to draw',
  ),
  steps: integer(10, ['benchmark'], 'number of training steps to measure (what=step, what=all)', { min: 1 }),
  repeats: integer(3, ['benchmark'], 'number of times that everything is measured, in turn (what=all)', { min: 1 }),
  threads: integer(0, ['benchmark'], 'number of threads of the engine; 0: chosen by the engine', { min: 0 }),
  runs: custom(
    [],
    ['report', 'merge'],
    'report: run folders to compare; merge: run folders of all shards; may be given without runs=',
    {
      what: 'run folders',
      path: true,
      read: readRuns,
    },
  ),
});

export const OPTIONS = {
  ...basics,
  ...output,
  ...training,
  ...cluster,
  ...loss,
  ...augmentation,
  ...detection,
  ...validation,
  ...prediction,
  ...tracking,
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
/** A configuration of one mode: imgsz is one number but for predict, track and export, and where a model is needed there is one. */
export type ConfigOf<M extends Mode> = Omit<Config, 'mode' | 'imgsz' | 'model' | ByMode> &
  Readonly<{ [K in ByMode]: WordsOf<K, M> }> &
  Readonly<{
    mode: M;
    imgsz: M extends 'predict' | 'track' | 'export' ? Config['imgsz'] : number;
    model: M extends 'val' | 'predict' | 'track' | 'export' ? string : Config['model'];
  }>;
/** The options of a mode for programs: the keys that it honours, each with the values that it takes there. */
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
/** Of prediction, with or without tracking. */
export type PredictConfig = ConfigOf<'predict' | 'track'>;
export type TrackConfig = ConfigOf<'track'>;
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

/** The default of a key in a mode. */
export function defaultOf(key: Key, mode: Mode): unknown {
  return optionOf(key).modeDefaults[mode] ?? optionOf(key).default;
}

/** Whether the key's default depends on the mode; default.yaml then says null. */
export function differsByMode(key: Key): boolean {
  return Object.keys(OPTIONS[key].modeDefaults).length > 0;
}
