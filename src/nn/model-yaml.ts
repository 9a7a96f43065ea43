/**
 * Parses a model description in YOLOv8's YAML format (`nc`, `scales`, and rows `[from, repeats, module, arguments]` under
 * `backbone` and `head`) to a list of typed layers: plain data with scaled channels and absolute indices.
 */
import type { YamlObject } from '../cfg/yaml.js';
import { cut } from '../core/brief.js';
import { UserError } from '../core/errors.js';
import { chooseScale, type RawRow, refuseOtherKinds, rowsOf, wholeNumber } from './model-rows.js';
import { readModelSource } from './model-source.js';
import type { DetectArgs } from './modules/detect.js';
import { MAX_CHANNELS, type NetworkTraits, Row, type Scaling } from './modules/module.js';
import { headNamed, isHead, moduleName, moduleNamed } from './modules/registry.js';
import { type Shape, ShapeOps } from './shape-ops.js';

/** One row of the description. */
export interface LayerSpec<A extends object = object> {
  index: number;
  /** As in a checkpoint: `model.2`. */
  name: string;
  /** As in modules/registry.ts: `C2f`. */
  module: string;
  /** Arguments as parsed by the module. */
  args: A;
  /** As in the file: −1 is the previous layer. */
  from: number | number[];
  /** Absolute indices of the input layers; −1 is the image. */
  inputs: number[];
  /** Repeats after scaling, e.g. bottlenecks of a C2f; 1 for modules without repeats. */
  repeats: number;
  /** Channels of each input. */
  inChannels: number[];
  /** Channels of the output (Detect: 4R + K). */
  outChannels: number;
  /** Stride of the output: image pixels per cell (Detect: of its first level). */
  stride: number;
}

/** A parsed model description. */
export interface ModelSpec {
  /** Name for messages: 'YOLOv8n'. */
  title: string;
  /** Number of classes, K. */
  nc: number;
  /** Channels of the image. */
  channels: number;
  /** Name of the scale, if the description has scales. */
  scale?: string;
  layers: LayerSpec[];
  /** The last layer. */
  head: LayerSpec<DetectArgs>;
  /** Strides of the head's levels, e.g. [8, 16, 32]. */
  strides: number[];
  /** Height and width of an image must be multiples of this: the largest stride of all layers. */
  stride: number;
  /** The description with `nc` and `scale` set, as stored in checkpoints; parsing it gives the same spec. */
  yaml: YamlObject;
}

/** Settings that override those of the description. */
export interface ModelOptions {
  /** Name of the scale; default: that in the name of the file, else the file's `scale`, else the first of `scales`. */
  scale?: string;
  /** Number of classes; default: the file's. */
  nc?: number;
  /** Channels of the image; default: the file's, else 3. */
  channels?: number;
  /**
   * Hidden width of the class branch; default: the file's `head_hidden`, else max(C3, min(K, 100)). Fine-tuning keeps the
   * width of the initial weights.
   */
  headHidden?: number;
}

/** Limits against mistakes and excessive use of memory. YOLOv8x has 23 layers, 68 million parameters and stride 32. */
const MAX_LAYERS = 500;
const MAX_PARAMETERS = 500e6;
const MAX_STRIDE = 1024;
/** The largest public dataset, ImageNet, has 21,841 classes. */
const MAX_CLASSES = 32_768;

/**
 * @param source path or name (`yolov8n.yaml`), YAML text, or the parsed object
 * @throws UserError 'missing-file', 'bad-yaml', 'wrong-task' for other tasks, 'bad-model' for an invalid description
 */
export function parseModelYaml(source: string | YamlObject, options: ModelOptions = {}): ModelSpec {
  const { yaml, where, scale: named, file } = readModelSource(source);
  const asked = options.scale ?? named ?? (yaml.scale === undefined ? undefined : String(yaml.scale));
  refuseOtherKinds(yaml, where);
  const { scale, scaling } = chooseScale(yaml, asked, where);
  const own = wholeNumber(yaml.nc ?? 80, 'nc', MAX_CLASSES, where);
  const nc = wholeNumber(options.nc ?? own, 'nc', MAX_CLASSES, where);
  const channels = wholeNumber(options.channels ?? yaml.channels ?? yaml.ch ?? 3, 'channels', MAX_CHANNELS, where);
  const rows = [...rowsOf(yaml, 'backbone', where), ...rowsOf(yaml, 'head', where)];
  if (rows.length > MAX_LAYERS)
    throw new UserError('bad-model', `${where}: ${rows.length} layers; at most ${MAX_LAYERS} are supported`);
  const given = options.headHidden ?? yaml.head_hidden;
  const headHidden = given === undefined ? undefined : wholeNumber(given, 'head_hidden', MAX_CHANNELS, where);
  const layers = layersOf(rows, { nc, channels, scale, scaling, headHidden, where });
  const head = layers[layers.length - 1] as LayerSpec<DetectArgs>;
  const { strides } = head.args;
  const stride = Math.max(...layers.map((layer) => layer.stride), ...strides);
  const title = titleOf(file, scale);
  const kept = {
    ...yaml,
    ...(file === undefined ? {} : { yaml_file: file }),
    nc,
    ...(scale === undefined ? {} : { scale }),
    ...(channels === 3 ? {} : { channels }),
    ...(headHidden === undefined ? {} : { head_hidden: headHidden }),
  };
  return { title, nc, channels, scale, layers, head, strides, stride, yaml: kept };
}

/** `yolov8.yaml` with scale n is YOLOv8n. */
function titleOf(file = 'yolo.yaml', scale = ''): string {
  const stem = file.replace(/\.ya?ml$/i, '').slice(0, 60);
  const whole = new RegExp(`\\d${scale}$`).test(stem) && scale ? stem : stem + scale;
  return whole.replace(/^yolo/i, 'YOLO');
}

interface Context extends Omit<NetworkTraits, 'separableClasses'> {
  channels: number;
  scaling: Scaling;
  where: string;
}

/** Parses all rows in order, with the shapes of the previous layers. */
function layersOf(rows: readonly RawRow[], context: Context): LayerSpec[] {
  const layers: LayerSpec[] = [];
  const ops = new ShapeOps();
  const image: Shape = { channels: context.channels, strides: [1] };
  const outputs: Shape[] = [];
  rows.forEach((row, index) => {
    const where = `${context.where}, row ${index} (${cut(row.module)})`;
    const module = moduleName(row.module, where);
    if (isHead(module) !== (index === rows.length - 1))
      throw new UserError('bad-model', `${context.where}: the last row, and only that, should be a Detect`);
    const inputs = inputsOf(row, index, where);
    const shapes = inputs.map((i) => (i < 0 ? image : outputs[i]));
    const separableClasses = layers.some((layer) => moduleNamed(layer.module).separableClasses);
    const layer = readLayer({ ...row, module }, shapes, { ...context, separableClasses, where });
    const name = `model.${index}`;
    ops.begin(index);
    const shape = isHead(module)
      ? sizeOfHead(headNamed(module).run(ops, shapes, name, layer.args))
      : moduleNamed(module).run(ops, shapes, name, layer.args);
    outputs.push(shape);
    const inChannels = shapes.map(({ channels }) => channels);
    const sizes = { inChannels, outChannels: shape.channels, stride: shape.strides[0] };
    layers.push({ index, name, module, ...layer, from: row.from, inputs, ...sizes });
    refuseTooLarge(layers[index], ops, where);
  });
  return layers;
}

function sizeOfHead({ boxes, scores }: { boxes: Shape; scores: Shape }): Shape {
  return { ...boxes, channels: boxes.channels + scores.channels };
}

function inputsOf({ from }: RawRow, index: number, where: string): number[] {
  return [from].flat().map((one) => {
    const absolute = one < 0 ? index + one : one;
    if (absolute < -1 || absolute >= index || (absolute === -1 && index > 0))
      throw new UserError('bad-model', `${where}: takes layer ${one}, but only 0 to ${index - 1} come before it`);
    return absolute;
  });
}

function readLayer(
  { module, repeats, args }: RawRow,
  shapes: Shape[],
  context: Context & NetworkTraits,
): Pick<LayerSpec, 'args' | 'repeats'> {
  const { scaling, where } = context;
  const definition = isHead(module) ? headNamed(module) : moduleNamed(module);
  if (!definition.repeatable && repeats > 1)
    throw new UserError('bad-model', `${where}: ${module} can't be repeated`, 'Write the row several times instead');
  if (!definition.takesMany && shapes.length !== 1)
    throw new UserError('bad-model', `${where}: takes one input, but 'from' names ${shapes.length}`);
  const row = new Row(where, repeats, args, shapes, scaling, context);
  return { args: definition.read(row), repeats: row.repeats };
}

/** @param ops interpreter that has processed all layers up to this one */
function refuseTooLarge({ module, outChannels, stride }: LayerSpec, { costs }: ShapeOps, where: string): void {
  const total = costs.reduce((sum, { parameters }) => sum + parameters, 0);
  const tooMuch = (value: number, limit: number, what: string) => {
    const [has, max] = [value, limit].map((n) => n.toLocaleString('en-US'));
    if (value > limit) throw new UserError('bad-model', `${where}: ${has} ${what}; at most ${max} are supported`);
  };
  if (!isHead(module)) tooMuch(outChannels, MAX_CHANNELS, 'channels');
  tooMuch(stride, MAX_STRIDE, 'pixels of stride');
  tooMuch(total, MAX_PARAMETERS, 'parameters up to this layer');
}
