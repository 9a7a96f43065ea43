/** What an exported model says about itself, under the keys and in the form (Python literals) that runtimes of YOLO read. */

import type { Checkpoint } from '../core/types.js';
import { type Literal, parsePythonLiteral, toPythonLiteral } from '../io/python-literal.js';
import type { ModelSpec } from '../nn/model-yaml.js';

export interface MetadataOptions {
  imgsz: [height: number, width: number];
  batch: number;
  /** Settings of the export, e.g. { half: false, nms: false }. */
  args: { [key: string]: Literal };
  version: string;
}

/** @param names of all classes */
export function exportMetadata(
  spec: ModelSpec,
  checkpoint: Checkpoint,
  names: readonly string[],
  options: MetadataOptions,
): Record<string, string> {
  const { imgsz, batch, args, version } = options;
  const { license, date } = checkpoint.info;
  const entries: Record<string, string> = {
    description: `${spec.title} detection, ${spec.nc} classes`,
    author: 'yolov8-tfjs',
    version,
    // The licence of the weights, which is that of whoever trained them.
    ...(typeof license === 'string' ? { license } : {}),
    ...(typeof date === 'string' ? { weights_date: date } : {}),
    stride: String(Math.max(32, spec.stride)),
    task: 'detect',
    batch: String(batch),
    imgsz: toPythonLiteral(imgsz),
    names: toPythonLiteral(Object.fromEntries(names.map((name, i) => [i, name]))),
    args: toPythonLiteral({ batch, ...args }),
    channels: String(spec.channels),
    end2end: toPythonLiteral(args.nms === true),
  };
  return entries;
}

/** The same as plain values, for formats that hold JSON or YAML: names as { '0': 'person', … }. */
export type PlainMetadata = { [key: string]: Literal };

const LITERALS = new Set(['stride', 'batch', 'imgsz', 'names', 'args', 'channels', 'end2end']);

export function plainMetadata(entries: Record<string, string>): PlainMetadata {
  return Object.fromEntries(
    Object.entries(entries).map(([key, text]) => [key, LITERALS.has(key) ? parsePythonLiteral(text) : text]),
  );
}
