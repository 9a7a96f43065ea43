/**
 * What a network is made of, for people: a row a layer, and a line with layers, parameters and GFLOPs.
 * Numbers are counted as YOLOv8's published tables count them.
 */
import { costOf } from './cost.js';
import type { LayerSpec, ModelSpec } from './model-yaml.js';
import { headNamed, isHead, moduleNamed } from './modules/registry.js';
import type { Cost } from './shape-ops.js';

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
  /** Height and width of the image; published figures are at 640. */
  imgsz?: number | [height: number, width: number];
  /** BatchNorm folded into the convolutions, as for inference. */
  fused?: boolean;
}

export function summarizeNetwork(spec: ModelSpec, { imgsz = 640, fused = false }: SummaryOptions = {}): NetworkSummary {
  const costs = costOf(spec, typeof imgsz === 'number' ? [imgsz, imgsz] : imgsz).layers;
  const parametersOf = ({ parameters, foldable }: Cost) => parameters - (fused ? foldable : 0);
  const partsOf = ({ parts, norms }: Cost) => Math.max(1, parts - (fused ? norms : 0)); // without parts: one itself
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

/** Lines of the table, and below it `YOLOv8n summary: 129 layers, 3,157,200 parameters, 8.9 GFLOPs`. */
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
