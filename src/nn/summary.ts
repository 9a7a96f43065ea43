/**
 * Model summary: a row per layer, and a line with layers, parameters and GFLOPs, counted as in YOLOv8's published tables.
 */
import { costOf } from './cost.js';
import type { LayerSpec, ModelSpec } from './model-yaml.js';
import { headNamed, isHead, moduleNamed } from './modules/registry.js';
import type { Cost } from './shape-ops.js';

/** Row of a layer. */
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

/** Summary of a network. */
export interface NetworkSummary {
  rows: LayerRow[];
  /** Number of modules that the network has in PyTorch; all SiLU are one module. */
  layers: number;
  parameters: number;
  /** Billions of operations for an image of the given size. */
  gflops: number;
}

/** What is summarized. */
export interface SummaryOptions {
  /** Height and width of the image, pixels; default: 640, as in published tables. */
  imgsz?: number | [height: number, width: number];
  /** With BatchNorm folded into the convolutions, as for inference. Default: false. */
  fused?: boolean;
}

/** Summary of a network, as data. */
export function summarizeNetwork(spec: ModelSpec, { imgsz = 640, fused = false }: SummaryOptions = {}): NetworkSummary {
  const costs = costOf(spec, typeof imgsz === 'number' ? [imgsz, imgsz] : imgsz).layers;
  const parametersOf = ({ parameters, foldable }: Cost) => parameters - (fused ? foldable : 0);
  const partsOf = ({ parts, norms }: Cost) => Math.max(1, parts - (fused ? norms : 0)); // a layer without parts is a module itself
  const flopsOf = ({ flops, normFlops }: Cost) => flops + (fused ? 0 : normFlops);
  const total = (of: (cost: Cost) => number) => costs.reduce((sum, cost) => sum + of(cost), 0);
  const rows = spec.layers.map((layer) => ({
    index: layer.index,
    from: Array.isArray(layer.from) ? `[${layer.from.join(', ')}]` : String(layer.from),
    n: layer.repeats,
    params: parametersOf(costs[layer.index]),
    module: layer.module,
    arguments: `[${argumentsOf(layer).join(', ')}]`,
  }));
  return { rows, layers: total(partsOf) + 1, parameters: total(parametersOf), gflops: total(flopsOf) / 1e9 };
}

function argumentsOf({ module, args, inChannels }: LayerSpec): (string | number)[] {
  const definition = isHead(module) ? headNamed(module) : moduleNamed(module);
  return definition.describe(args, inChannels);
}

/** Summary as lines of text: the table, then `YOLOv8n summary: 129 layers, 3,157,200 parameters, 8.9 GFLOPs`. */
export function describeNetwork(spec: ModelSpec, options: SummaryOptions = {}): string[] {
  const summary = summarizeNetwork(spec, options);
  const line = (index: string, from: string, n: string, params: string, module: string, args: string) =>
    `${index.padStart(3)}${from.padStart(20)}${n.padStart(3)}${params.padStart(10)}  ${module.padEnd(12)}${args}`.trimEnd();
  const rows = summary.rows.map((row) =>
    line(String(row.index), row.from, String(row.n), String(row.params), row.module, row.arguments),
  );
  return [line('', 'from', 'n', 'params', 'module', 'arguments'), ...rows, summaryLine(spec, summary, options)];
}

function summaryLine(spec: ModelSpec, summary: NetworkSummary, { fused = false }: SummaryOptions = {}): string {
  const count = (n: number) => n.toLocaleString('en-US');
  const { layers, parameters, gflops } = summary;
  return `${spec.title} summary${fused ? ' (fused)' : ''}: ${layers} layers, ${count(parameters)} parameters, ${gflops.toFixed(1)} GFLOPs`;
}
