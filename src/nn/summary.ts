/**
 * What a network is made of, for people: a row a layer, and a line with layers, parameters and GFLOPs.
 * Numbers are counted as YOLOv8's published tables count them.
 */
import type { LayerSpec, ModelSpec } from '../cfg/model-yaml.js';
import { levelsOf } from './head.js';
import type { Network } from './model.js';

export interface LayerRow {
  index: number;
  /** '-1', or '[-1, 6]'. */
  from: string;
  /** Repeats after scaling. */
  n: number;
  params: number;
  module: string;
  /** '[16, 32, 3, 2]' */
  arguments: string;
}

export interface NetworkSummary {
  rows: LayerRow[];
  /** Operations with weights or of their own kind, as PyTorch's modules count (activations once). */
  layers: number;
  parameters: number;
  /** At the given size. */
  gflops: number;
}

export interface SummaryOptions {
  /** Height and width of the picture; published figures are at 640. */
  imgsz?: number | [height: number, width: number];
  /** BatchNorm folded into the convolutions, as for inference. */
  fused?: boolean;
}

/** The kernel 0..15 that turns a distribution into a distance: fixed, but counted. */
const DFL_PARAMETERS = 16;

export function summarizeNetwork(
  network: Network,
  { imgsz = 640, fused = false }: SummaryOptions = {},
): NetworkSummary {
  const { spec } = network;
  const [height, width] = typeof imgsz === 'number' ? [imgsz, imgsz] : imgsz;
  const rows = spec.layers.map((layer) => ({
    index: layer.index,
    from: Array.isArray(layer.from) ? `[${layer.from.join(', ')}]` : String(layer.from),
    n: layer.repeats,
    params: parametersOf(network, layer, fused),
    module: layer.module,
    arguments: `[${argumentsOf(layer).join(', ')}]`,
  }));
  const convs = network.parameters.filter(({ kind }) => kind === 'weight').length;
  const norms = network.parameters.filter(({ kind }) => kind === 'bn').length;
  return {
    rows,
    layers:
      convs + (fused ? 0 : norms) + 1 + 1 + countOf(spec, 'SPPF') + countOf(spec, 'Upsample') + countOf(spec, 'Concat'),
    parameters: rows.reduce((sum, row) => sum + row.params, 0),
    gflops: flops(network, [height, width], fused) / 1e9,
  };
}

/** The table and below it the line `YOLOv8n summary: 129 layers, 3,157,200 parameters, 8.9 GFLOPs`. */
export function describeNetwork(network: Network, options: SummaryOptions = {}): string {
  const summary = summarizeNetwork(network, options);
  const line = (index: string, from: string, n: string, params: string, module: string, args: string) =>
    `${index.padStart(3)}${from.padStart(20)}${n.padStart(3)}${params.padStart(10)}  ${module.padEnd(12)}${args}`.trimEnd();
  const rows = summary.rows.map((row) =>
    line(String(row.index), row.from, String(row.n), String(row.params), row.module, row.arguments),
  );
  return [
    line('', 'from', 'n', 'params', 'module', 'arguments'),
    ...rows,
    summaryLine(network.spec, summary, options),
  ].join('\n');
}

export function summaryLine(spec: ModelSpec, summary: NetworkSummary, { fused = false }: SummaryOptions = {}): string {
  const count = (n: number) => n.toLocaleString('en-US');
  const name = `YOLOv8${spec.scale ?? ''}`;
  return `${name} summary${fused ? ' (fused)' : ''}: ${summary.layers} layers, ${count(summary.parameters)} parameters, ${summary.gflops.toFixed(1)} GFLOPs`;
}

function countOf(spec: ModelSpec, module: LayerSpec['module']): number {
  return spec.layers.filter((layer) => layer.module === module).length;
}

function parametersOf(network: Network, layer: LayerSpec, fused: boolean): number {
  const own = network.parameters.filter(({ name }) => name.startsWith(`model.${layer.index}.`));
  // Folded, the scale of a BatchNorm is gone and its offset has become a bias.
  const counted = own.filter(({ kind }) => kind !== 'mean' && kind !== 'variance' && !(fused && kind === 'bn'));
  const sum = counted.reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0);
  return sum + (layer.module === 'Detect' ? DFL_PARAMETERS : 0);
}

function argumentsOf(layer: LayerSpec): (string | number)[] {
  const channels = [layer.inChannels[0], layer.outChannels];
  switch (layer.module) {
    case 'Conv':
      return [...channels, layer.args.kernel, layer.args.stride];
    case 'C2f':
      return [...channels, layer.repeats, ...(layer.args.shortcut ? ['true'] : [])];
    case 'SPPF':
      return [...channels, layer.args.kernel];
    case 'Upsample':
      return ['null', layer.args.factor, 'nearest'];
    case 'Concat':
      return [1];
    case 'Detect':
      return [layer.args.nc, layer.args.regMax, `[${layer.inChannels.join(', ')}]`];
  }
}

/**
 * Two for each multiplication and addition of a convolution; eight for each output of a BatchNorm; the DFL kernel too.
 * Activations, pooling and sums don't count.
 */
function flops(network: Network, [height, width]: [number, number], fused: boolean): number {
  const { spec } = network;
  const cells = (stride: number) => Math.ceil(height / stride) * Math.ceil(width / stride);
  let total = 0;
  for (const { name, shape, kind } of network.parameters) {
    if (kind !== 'weight' && !(kind === 'bn' && !fused)) continue;
    const area = cells(strideOf(spec, name));
    total += area * shape.reduce((a, b) => a * b, 1) * (kind === 'weight' ? 2 : 8);
  }
  const anchors = levelsOf(height, width, spec.strides).reduce((sum, [h, w]) => sum + h * w, 0);
  return total + anchors * 4 * DFL_PARAMETERS * 2;
}

/** Stride at the output of the convolution or BatchNorm with this parameter. */
function strideOf(spec: ModelSpec, name: string): number {
  const [, index, , level] = name.split('.');
  const layer = spec.layers[Number(index)];
  return layer.module === 'Detect' ? layer.args.strides[Number(level)] : layer.stride;
}
