/** Help, from the option table: what there is, and the keys of a mode with their defaults. */
import { show } from '../cfg/convert.js';
import { FIXED, FOREIGN, HINTS, OTHER_NAMES } from '../cfg/names.js';
import { helpIn, MODES, type Mode } from '../cfg/option.js';
import { defaultOf, type Key, keysOf, optionOf } from '../cfg/schema.js';
import { EXPORT_FORMATS } from '../core/choices.js';
import { SPECIAL, type Special } from './argv.js';
import { out } from './terminal.js';

const ABOUT: Record<Mode, string> = {
  train: 'train a network on a dataset; go on with a run',
  val: 'measure a model on a dataset, and see what it gets wrong',
  predict: 'find objects in images, videos, streams',
  export: `write a model as ${EXPORT_FORMATS.join(', ')}`,
  benchmark: 'measure the speed of training, prediction and validation',
  check: 'examine a dataset before training on it',
  convert: 'turn COCO or Pascal VOC annotations into labels, and back',
  show: 'draw what the data loader feeds, or what the assigner picks',
  report: 'put training runs side by side in one page',
};

const WORDS: Record<Special, string> = {
  help: 'this text; yolo help MODE: the keys of a mode',
  checks: 'engine, versions, what is missing; yolo checks gpu: try a GPU',
  setup: 'put the native engine in place; yolo setup gpu: the one for GPUs',
  version: 'print the version',
  cfg: 'print every key with its default',
  'copy-cfg': 'write them to default_copy.yaml here, for use as cfg=',
  completion: 'print the completion script of a shell: bash, zsh, fish',
};

const ENVIRONMENT: Record<string, string> = {
  YOLO_CACHE: 'folder for engine, weights and made datasets',
  YOLO_ENGINE: 'tensorflow or wasm: no other engine is tried',
  YOLO_MAX_MEGAPIXELS: 'largest image that is decoded; default: by the memory',
  YOLO_MAX_UNPACKED_GB: "most that a dataset's archive may unpack to",
};

const EXAMPLES: Record<Mode, string[]> = {
  train: ['yolo train data=coco128.yaml model=yolov8n.pt epochs=10', 'yolo train resume=runs/detect/train'],
  val: ['yolo val model=yolov8n.pt data=coco128.yaml'],
  predict: ['yolo predict model=yolov8n.pt source=bus.jpg', 'yolo predict source=videos/ save_txt json'],
  export: ['yolo export model=yolov8n.pt format=onnx', 'yolo export model=best.safetensors format=tfjs half'],
  benchmark: ['yolo benchmark what=step imgsz=320 batch=8'],
  check: ['yolo check data=my.yaml'],
  convert: ['yolo convert source=annotations.json out=my-data', 'yolo convert source=my.yaml format=coco out=coco'],
  show: ['yolo show data=coco128.yaml', 'yolo show what=assign data=coco128.yaml model=yolov8n.pt'],
  report: ['yolo report runs/detect/train runs/detect/train-2'],
};

/** An example line for messages about something missing. */
export function exampleOf(mode: Mode): string {
  return `For example: ${EXAMPLES[mode][0]}`;
}

/** What `yolo help` prints. */
export function generalHelp(version: string): string {
  const list = (rows: Record<string, string>, names: readonly string[], width = 12): string[] =>
    names.map((name) => `  ${out.cyan(name.padEnd(width))}${rows[name]}`);
  return [
    `${out.bold('yolo')} ${version}: YOLOv8 object detection on TensorFlow.js`,
    '',
    `  yolo [detect] MODE key=value …      (or --key value, --key=value)`,
    '',
    out.bold('Modes'),
    ...list(ABOUT, MODES),
    '',
    out.bold('Besides'),
    ...list(WORDS, SPECIAL),
    '',
    out.bold('Examples'),
    ...(['predict', 'train', 'val', 'export'] as const).map((mode) => `  ${EXAMPLES[mode][0]}`),
    '',
    out.bold('Environment variables'),
    ...list(ENVIRONMENT, Object.keys(ENVIRONMENT), 22),
    '',
    "Keys of a mode: 'yolo help train'. A file of keys lies under them: cfg=my.yaml",
  ].join('\n');
}

/** What `yolo help MODE` prints: the keys of the mode in their groups. */
export function modeHelp(mode: Mode): string {
  const lines = [`${out.bold(`yolo ${mode}`)}: ${ABOUT[mode]}`, '', ...EXAMPLES[mode].map((line) => `  ${line}`)];
  const keys = keysOf(mode);
  const widest = Math.max(...keys.map((key) => assignment(key, mode).length)) + 4;
  let group = '';
  for (const key of keys) {
    if (optionOf(key).group !== group) lines.push('', out.bold(optionOf(key).group));
    group = optionOf(key).group;
    lines.push(...row(key, mode, widest));
  }
  return [
    ...lines,
    '',
    out.bold('Besides'),
    `${'  cfg=FILE'.padEnd(widest)}YAML file of keys; what is given here lies over it`,
  ].join('\n');
}

/** What `yolo help KEY` prints. */
export function keyHelp(key: Key): string {
  const { help, modes, allowed } = optionOf(key);
  return [
    out.bold(key),
    ...field(
      'meaning',
      byMode(modes, (mode) => helpIn(help, mode)),
    ),
    ...field('takes', byMode(modes, allowed)),
    ...field(
      'default',
      byMode(modes, (mode) => assignment(key, mode)),
    ),
    ...field('modes', [modes.join(', ')]),
  ].join('\n');
}

/** What differs by mode says for which ones it holds. */
function byMode(modes: readonly Mode[], textOf: (mode: Mode) => string): string[] {
  const groups = new Map<string, Mode[]>();
  for (const mode of modes) groups.set(textOf(mode), [...(groups.get(textOf(mode)) ?? []), mode]);
  if (groups.size === 1) return [...groups.keys()];
  return [...groups].map(([text, some]) => `${some.join(', ')}: ${text}`);
}

/** `  name     text`, wrapped to 80 columns. */
function field(name: string, texts: readonly string[]): string[] {
  const lines = texts.flatMap((text) => wrap(text, 80 - FIELD).map((line, i) => (i ? `  ${line}` : line)));
  return lines.map((line, i) => `  ${(i ? '' : name).padEnd(FIELD - 4)}${line}`);
}

const FIELD = 13;

/** What `yolo help WORD` prints for a key of other tools; undefined for any other word. */
export function otherHelp(word: string): string | undefined {
  const has = (table: object): boolean => Object.hasOwn(table, word);
  if (has(HINTS)) return `${out.bold(word)}: here it is called ${HINTS[word]}`;
  if (has(OTHER_NAMES)) return `${out.bold(word)}: ${OTHER_NAMES[word].warning}`;
  if (has(FOREIGN)) return `${out.bold(word)}: belongs to ${FOREIGN[word]} and changes nothing in detection`;
  return has(FIXED) ? `${out.bold(word)}=${show(FIXED[word].values[0])}: ${FIXED[word].reason}` : undefined;
}

function assignment(key: Key, mode: Mode): string {
  const value = defaultOf(key, mode);
  return `${key}=${value === null || (Array.isArray(value) && value.length === 0) ? '' : String(value)}`;
}

/** `  key=default   help`, the help wrapped to 80 columns. */
function row(key: Key, mode: Mode, indent: number): string[] {
  const shown = assignment(key, mode);
  const { help, words } = optionOf(key);
  const text = words ? `${helpIn(help, mode)}: ${words(mode).join(', ')}` : helpIn(help, mode);
  const [first, ...rest] = wrap(text, 80 - indent);
  const head = `  ${out.cyan(key)}${shown.slice(key.length)}`;
  return [head + ' '.repeat(indent - 2 - shown.length) + first, ...rest.map((line) => ' '.repeat(indent) + line)];
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.length - 1;
    if (lines[last] !== '' && lines[last].length + 1 + word.length > width) lines.push(word);
    else lines[last] += (lines[last] && ' ') + word;
  }
  return lines;
}
