/**
 * Converts the Python objects of an ultralytics checkpoint to a Checkpoint: weights by their names in the module tree
 * (`model.2.m.0.cv1.conv.weight`); class names, YAML and strides from the model object. Models of other tasks and families
 * are refused with an error that names them.
 */
import { UserError } from '../core/errors.js';
import type { Checkpoint } from '../core/types.js';
import { PyDict, PyName, PyObject } from '../io/pickle.js';
import { TorchTensor } from '../io/torch-names.js';
import { openTorchFile, type TorchFile, type TorchReading } from '../io/torch-pt.js';
import { cleanWeightNames, normalizeYaml } from './checkpoint-yaml.js';
import { isModule } from './modules/registry.js';

/**
 * Reads a `.pt` file.
 * @throws UserError as openTorchFile; 'bad-checkpoint' if it contains no model, 'wrong-model' if it is not a detection model
 *   of YOLOv8 or YOLO11
 */
export function readTorchCheckpoint(path: string, reading: TorchReading = {}): Checkpoint {
  const file = openTorchFile(path, reading);
  try {
    const root = file.root;
    const model = findModel(root);
    const info: Record<string, unknown> = { source: 'pt' };
    if (root instanceof Map && root.get('model') !== undefined) {
      for (const key of ['date', 'version', 'license', 'docs', 'epoch', 'best_fitness', 'updates', 'train_metrics'])
        if (root.get(key) !== undefined && root.get(key) !== null) info[key] = plain(root.get(key));
    }
    if (model instanceof PyObject) return fromModule(file, model, root, info);
    if (model instanceof Map) return fromStateDict(file, model, info);
    throw new UserError(
      'bad-checkpoint',
      `${path} contains no model: neither 'ema' nor 'model' is a network`,
      'give a checkpoint of YOLOv8 or YOLO11 (a .pt file that ultralytics or torch.save(model.state_dict()) wrote)',
    );
  } finally {
    file.close();
  }
}

/** `ema` (EMA weights) if present, else `model`, else a state dict, else the object itself. */
function findModel(root: unknown): unknown {
  if (!(root instanceof Map)) return root;
  for (const key of ['ema', 'model', 'state_dict', 'model_state_dict']) {
    const value = root.get(key);
    if (value instanceof PyObject || value instanceof Map) return value;
  }
  return [...root.values()].some((v) => v instanceof TorchTensor) ? root : undefined;
}

function fromModule(file: TorchFile, model: PyObject, root: unknown, info: Record<string, unknown>): Checkpoint {
  refuseOtherModels(file.path, model);
  const at = model.attributes;
  const state: State = { weights: new Map(), counters: new Map() };
  collect(file, model, '', state, 0);
  const yaml = yamlOf(at);
  const trainArgs = plain(root instanceof Map ? root.get('train_args') : undefined) ?? plain(at.get('args'));
  const stride = at.get('stride');
  if (stride instanceof TorchTensor) info.stride = Array.from(file.read(stride).data);
  return {
    ...state,
    names: classNames(file.path, at.get('names'), yaml?.nc),
    yaml,
    trainArgs: isRecord(trainArgs) ? trainArgs : undefined,
    info,
  };
}

/** Contents of a state dict: weights and running statistics, and the counters of BatchNorm. */
type State = Required<Pick<Checkpoint, 'weights' | 'counters'>>;

function add(file: TorchFile, { weights, counters }: State, name: string, tensor: TorchTensor): void {
  if (!name.endsWith('num_batches_tracked')) weights.set(name, file.read(tensor));
  else counters.set(name, file.readScalar(tensor) ?? 0);
}

function yamlOf(attributes: ReadonlyMap<unknown, unknown>): Checkpoint['yaml'] {
  const yaml = attributes.get('yaml');
  if (!(yaml instanceof Map)) return undefined;
  return normalizeYaml(plain(yaml) as Record<string, unknown>, attributes.get('yaml_file'));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Maximum nesting of modules; YOLO11 has eight levels. */
const MAX_DEPTH = 32;

/** torch.nn.Module.state_dict: parameters and persistent buffers of a module, then of its children. */
function collect(file: TorchFile, module: PyObject, prefix: string, out: State, depth: number): void {
  if (depth > MAX_DEPTH || out.weights.size > 100_000)
    throw new UserError(
      'bad-checkpoint',
      `${file.path}: its modules are nested too deeply`,
      'the file is damaged or malicious',
    );
  const notPersistent = module.attributes.get('_non_persistent_buffers_set');
  for (const group of ['_parameters', '_buffers']) {
    for (const [name, value] of entriesOf(module, group)) {
      if (value === null || (notPersistent instanceof Set && notPersistent.has(name))) continue;
      if (!(value instanceof TorchTensor))
        throw new UserError(
          'bad-checkpoint',
          `${file.path}: ${prefix}${name} is not a tensor`,
          'save the checkpoint again with a current PyTorch',
        );
      add(file, out, prefix + name, value);
    }
  }
  for (const [name, child] of entriesOf(module, '_modules'))
    if (child instanceof PyObject) collect(file, child, `${prefix}${name}.`, out, depth + 1);
}

function entriesOf(module: PyObject, group: string): [string, unknown][] {
  const map = module.attributes.get(group);
  return map instanceof Map ? [...map].map(([k, v]) => [String(k), v]) : [];
}

/** A dict of tensors by name. One written by this project (format=torch) has a description as attributes. */
function fromStateDict(file: TorchFile, dict: Map<unknown, unknown>, info: Checkpoint['info']): Checkpoint {
  const state: State = { weights: new Map(), counters: new Map() };
  for (const [name, value] of dict) if (value instanceof TorchTensor) add(file, state, String(name), value);
  const at = dict instanceof PyDict ? dict.attributes : new Map();
  const yaml = yamlOf(at);
  const [trainArgs, more] = [plain(at.get('train_args')), plain(at.get('info'))];
  return {
    weights: cleanWeightNames(state.weights),
    counters: cleanWeightNames(state.counters),
    names: classNames(file.path, at.get('names'), yaml?.nc),
    yaml,
    trainArgs: isRecord(trainArgs) ? trainArgs : undefined,
    info: { ...(isRecord(more) ? more : {}), ...info },
  };
}

/** `names` of a model: a dict {0: 'person', …} or a list. */
function classNames(path: string, value: unknown, nc: unknown): string[] {
  const pairs: [unknown, unknown][] =
    value instanceof Map ? [...value] : Array.isArray(value) ? value.map((v, i) => [i, v]) : [];
  const names: string[] = [];
  for (const [index, name] of pairs) {
    const i = Number(index);
    if (!Number.isInteger(i) || i < 0 || i >= pairs.length)
      throw new UserError(
        'bad-checkpoint',
        `${path}: class names are numbered ${pairs
          .map(([k]) => k)
          .slice(0, 8)
          .join(', ')} …, not 0 to ${pairs.length - 1}`,
      );
    names[i] = String(name);
  }
  if (typeof nc === 'number' && names.length > 0 && names.length !== nc)
    throw new UserError('bad-checkpoint', `${path} has ${names.length} class names for ${nc} classes`);
  return names;
}

/** Converts Python values (YAML, training arguments, metadata) to JSON values; an object becomes its attributes. */
function plain(value: unknown, depth = 0): unknown {
  if (depth > 12) return null;
  if (value instanceof PyName) return value.name;
  if (value instanceof TorchTensor) return undefined;
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return undefined;
  if (value instanceof PyObject) return plain(value.attributes, depth + 1);
  if (value instanceof Map)
    return Object.fromEntries([...value].slice(0, 10_000).map(([k, v]) => [String(k), plain(v, depth + 1)]));
  if (value instanceof Set) return plain([...value], depth);
  return Array.isArray(value) ? value.slice(0, 10_000).map((v) => plain(v, depth + 1)) : value;
}

const OTHER_TASKS: Record<string, string> = {
  SegmentationModel: 'a segmentation',
  Segment: 'a segmentation',
  Segment26: 'a segmentation',
  PoseModel: 'a pose',
  Pose: 'a pose',
  OBBModel: 'an oriented-box (OBB)',
  OBB: 'an oriented-box (OBB)',
  ClassificationModel: 'a classification',
  Classify: 'a classification',
};

/** Module names that are not supported, and the model family they identify. */
const OTHER_FAMILIES: [RegExp, string][] = [
  [/^(A2C2f)$/, 'YOLO12'],
  [/^(v10Detect|SCDown|C2fCIB|PSA)$/, 'YOLOv10'],
  [/^(RepNCSPELAN4|ELAN1|ADown|AConv|SPPELAN|CBLinear|CBFuse)$/, 'YOLOv9'],
  [/^(WorldDetect|C2fAttn|WorldModel|YOLOEDetect)$/, 'YOLO-World'],
  [/^(RTDETRDecoder|RTDETRDetectionModel|AIFI|HGStem|HGBlock)$/, 'RT-DETR'],
  [/^(C3|C3x|C3TR|C3Ghost|Focus|BottleneckCSP|SPP)$/, 'YOLOv3 or YOLOv5'],
];

/** @throws UserError 'wrong-model' for models of other tasks and families, with their name */
function refuseOtherModels(path: string, model: PyObject): void {
  const hint =
    'this project runs YOLOv8 and YOLO11 detection models: yolov8n.pt, yolo11s.pt … and what was trained from them';
  if (/^(models|utils)\./.test(model.className))
    throw new UserError(
      'wrong-model',
      `${path} is a checkpoint of the YOLOv5 (or YOLOv7) repository (${model.className}), with anchors`,
      hint,
    );
  const list = model.attributes.get('_modules');
  const sequence = list instanceof Map ? list.get('model') : undefined;
  const layers = sequence instanceof PyObject ? entriesOf(sequence, '_modules').map(([, v]) => v) : [];
  const kinds = [model, ...layers].map((m) => (m instanceof PyObject ? m.className.replace(/^.*\./, '') : '?'));
  for (const kind of kinds)
    if (OTHER_TASKS[kind])
      throw new UserError(
        'wrong-model',
        `${path} is ${OTHER_TASKS[kind]} model (${kind}); only detection is supported`,
        hint,
      );
  for (const [pattern, family] of OTHER_FAMILIES) {
    const kind = kinds.find((k) => pattern.test(k));
    if (kind)
      throw new UserError(
        'wrong-model',
        `${path} is a ${family} checkpoint (it has ${kind}), not YOLOv8 or YOLO11`,
        hint,
      );
  }
  const strange = kinds.slice(1).find((k) => !isModule(k));
  if (strange || layers.length === 0)
    throw new UserError(
      'wrong-model',
      `${path} is not a YOLOv8 or YOLO11 model: ${strange ? `it has a layer of class ${strange}` : `${model.className} has no layers`}`,
      hint,
    );
}
