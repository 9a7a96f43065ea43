/**
 * The end of the exported graph: logits → boxes in pixels and scores, and if wanted non-maximum suppression.
 * Same formulas as src/nn/head.ts (decode) and src/detect/nms.ts, as ONNX operators. Shapes are [B, channels, A].
 */
import { anchorsOf, levelsOf, REG_MAX } from '../nn/head.js';
import type { OnnxGraph } from './onnx-graph.js';

/** A level's logits before decoding, and what is known of its size. */
export interface LevelOutput {
  /** [B, 4R, h, w] */
  boxes: string;
  /** [B, K, h, w] */
  scores: string;
  stride: number;
}

export interface Final {
  conf: number;
  iou: number;
  maxDet: number;
  agnostic: boolean;
}

/** Reading order of the axes that ONNX operators take as an input. */
const SIDES = 4;

/**
 * @param shape [H, W] of the pictures, undefined when it is free
 * @returns names of boxes [B, 4, A] (cx cy w h, pixels) and scores [B, K, A] (0..1)
 */
export function decodeHead(
  g: OnnxGraph,
  name: string,
  levels: LevelOutput[],
  shape?: [number, number],
): { boxes: string; scores: string } {
  const flat = (key: 'boxes' | 'scores'): string => {
    const rows = g.ints(`${name}.${key}.flat_shape`, [0, 0, -1]);
    const parts = levels.map((level, i) => g.op('Reshape', `${name}.${key}.${i}.flat`, [level[key], rows])); // [B, C, h·w]
    return g.op('Concat', `${name}.${key}.all`, parts, { axis: 2 }); // [B, C, A]
  };
  const bins = g.op('Reshape', `${name}.dfl.bins`, [
    flat('boxes'),
    g.ints(`${name}.dfl.shape`, [0, SIDES, REG_MAX, -1]),
  ]); // [B, 4, R, A]
  const weights = g.op('Softmax', `${name}.dfl.softmax`, [bins], { axis: 2 });
  const values = g.floats(`${name}.dfl.conv.weight`, [...Array(REG_MAX).keys()], [1, 1, REG_MAX, 1]);
  const weighted = g.op('Mul', `${name}.dfl.weighted`, [weights, values]);
  const distances = g.op('ReduceSum', `${name}.dfl`, [weighted, g.ints(`${name}.dfl.axis`, [2])], { keepdims: 0 }); // [B, 4, A], grid
  const { points, strides } = shape ? fixedAnchors(g, name, levels, shape) : freeAnchors(g, name, levels);
  const halves = g.ints(`${name}.sides`, [2, 2]);
  const [lt, rb] = g.split('Split', `${name}.lt`, [distances, halves], 2, { axis: 1 }); // [B, 2, A] each
  const shift = g.op('Mul', `${name}.shift`, [g.op('Sub', `${name}.rb_lt`, [rb, lt]), g.floats(`${name}.half`, [0.5])]);
  const centre = g.op('Mul', `${name}.centre`, [g.op('Add', `${name}.centre_grid`, [points, shift]), strides]);
  const size = g.op('Mul', `${name}.size`, [g.op('Add', `${name}.size_grid`, [lt, rb]), strides]);
  return {
    boxes: g.op('Concat', `${name}.boxes`, [centre, size], { axis: 1 }),
    scores: g.op('Sigmoid', `${name}.scores`, [flat('scores')]),
  };
}

/** Anchor points [1, 2, A] and strides [1, 1, A] as constants. */
function fixedAnchors(
  g: OnnxGraph,
  name: string,
  levels: LevelOutput[],
  shape: [number, number],
): { points: string; strides: string } {
  const perLevel = levels.map((l) => l.stride);
  const anchors = anchorsOf(levelsOf(shape[0], shape[1], perLevel), perLevel);
  const count = anchors.strides.length;
  const points = Float32Array.from(
    { length: 2 * count },
    (_, i) => anchors.points[2 * (i % count) + Math.floor(i / count)],
  );
  return {
    points: g.constant(`${name}.anchors`, 'float32', [1, 2, count], points),
    strides: g.constant(`${name}.strides`, 'float32', [1, 1, count], anchors.strides),
  };
}

/** The same, computed in the graph from the sizes of the feature maps. */
function freeAnchors(g: OnnxGraph, name: string, levels: LevelOutput[]): { points: string; strides: string } {
  const zero = g.floats(`${name}.zero`, [0], []);
  const one = g.floats(`${name}.one`, [1], []);
  const half = g.floats(`${name}.cell_centre`, [0.5]);
  const scalar = g.ints(`${name}.scalar`, [], [0]);
  const row = g.ints(`${name}.row`, [1, 1, -1]);
  const column = g.ints(`${name}.column`, [-1, 1]);
  const parts = levels.map(({ boxes, stride }, i) => {
    const at = (part: string): string => `${name}.anchors.${i}.${part}`;
    const size = g.op('Shape', at('shape'), [boxes]); // [4]: B, 4R, h, w
    const grid = g.op('Slice', at('grid'), [size, g.ints(at('from'), [2]), g.ints(at('to'), [4])]); // [2]: h, w
    const range = (axis: number, letter: string): string => {
      const n = g.op('Gather', at(`${letter}.size`), [size, g.ints(at(`${letter}.axis`), [axis])]);
      const f = g.op('Cast', at(`${letter}.float`), [g.op('Reshape', at(`${letter}.count`), [n, scalar])], { to: 1 });
      return g.op('Add', at(`${letter}.centres`), [g.op('Range', at(`${letter}.range`), [zero, f, one]), half]); // [n]
    };
    const x = g.op('Expand', at('x'), [range(3, 'x'), grid]); // [h, w]
    const y = g.op('Expand', at('y'), [g.op('Reshape', at('y.column'), [range(2, 'y'), column]), grid]);
    const xRow = g.op('Reshape', at('x.row'), [x, row]); // [1, 1, h·w]
    const yRow = g.op('Reshape', at('y.row'), [y, row]);
    const strides = g.op('Expand', at('strides'), [
      g.floats(at('stride'), [stride]),
      g.op('Shape', at('cells'), [xRow]),
    ]);
    return { points: g.op('Concat', at('points'), [xRow, yRow], { axis: 1 }), strides };
  });
  return {
    points: g.op(
      'Concat',
      `${name}.anchors`,
      parts.map((p) => p.points),
      { axis: 2 },
    ), // [1, 2, A]
    strides: g.op(
      'Concat',
      `${name}.strides`,
      parts.map((p) => p.strides),
      { axis: 2 },
    ), // [1, 1, A]
  };
}

/** As the reference keeps classes apart: each class's boxes are moved by this many pixels. */
const CLASS_OFFSET = 7680;

/**
 * Best class of each anchor, suppression within classes (or across, `agnostic`), the most certain first.
 * @param boxes [B, 4, A] cx cy w h @param scores [B, K, A]
 * @returns [B, maxDet, 6]: x1 y1 x2 y2 confidence class; rows beyond the last detection are zero
 */
export function suppress(
  g: OnnxGraph,
  boxes: string,
  scores: string,
  output: string,
  { conf, iou, maxDet, agnostic }: Final,
): string {
  const two = g.ints('nms.halves', [2, 2]);
  const [centre, size] = g.split('Split', 'nms.centre', [boxes, two], 2, { axis: 1 }); // [B, 2, A]
  const reach = g.op('Mul', 'nms.reach', [size, g.floats('nms.half', [0.5])]);
  const corners = g.op(
    'Concat',
    'nms.corners',
    [g.op('Sub', 'nms.xy1', [centre, reach]), g.op('Add', 'nms.xy2', [centre, reach])],
    { axis: 1 },
  ); // [B, 4, A]
  const best = reduceMax(g, 'nms.best', scores); // [B, 1, A]
  const cls = g.op('Cast', 'nms.class', [g.op('ArgMax', 'nms.argmax', [scores], { axis: 1, keepdims: 1 })], { to: 1 }); // [B, 1, A]
  const rows = g.op('Transpose', 'nms.rows', [g.op('Concat', 'nms.all', [corners, best, cls], { axis: 1 })], {
    perm: [0, 2, 1],
  }); // [B, A, 6]
  const moved = agnostic
    ? corners
    : g.op('Add', 'nms.moved', [corners, g.op('Mul', 'nms.offset', [cls, g.floats('nms.apart', [CLASS_OFFSET])])]);
  const compared = g.op('Transpose', 'nms.compared', [moved], { perm: [0, 2, 1] }); // [B, A, 4]
  const limits = [g.ints('nms.most', [maxDet]), g.floats('nms.iou', [iou]), g.floats('nms.conf', [conf])];
  const chosen = g.op('NonMaxSuppression', 'nms.chosen', [compared, best, ...limits]); // [N, 3]: picture, 0, anchor
  return arrange(g, rows, chosen, output, maxDet);
}

function reduceMax(g: OnnxGraph, name: string, scores: string): string {
  // ReduceMax takes its axes as an attribute before operator set 18 and as an input from then on; TopK of 1 never changed.
  return g.split('TopK', name, [scores, g.ints(`${name}.one`, [1])], 2, { axis: 1, largest: 1, sorted: 0 })[0];
}

/**
 * Puts the chosen rows of each picture one under the other. They come sorted by picture, so that a row's place is its index
 * less the number of rows of the pictures before.
 */
function arrange(g: OnnxGraph, rows: string, chosen: string, output: string, maxDet: number): string {
  const picked = g.op('Gather', 'nms.where', [chosen, g.ints('nms.columns', [0, 2])], { axis: 1 }); // [N, 2]: picture, anchor
  const kept = g.op('GatherND', 'nms.kept', [rows, picked]); // [N, 6]
  const picture = g.op('Gather', 'nms.picture', [chosen, g.ints('nms.column', [0])], { axis: 1 }); // [N, 1]
  const batch = g.op('Gather', 'nms.batch', [g.op('Shape', 'nms.shape', [rows]), g.ints('nms.first', [0])]); // [1]
  const zero = g.ints('nms.zero', [0], []);
  const one = g.ints('nms.one', [1], []);
  const scalar = g.ints('nms.scalar', [], [0]);
  const pictures = g.op('Range', 'nms.pictures', [zero, g.op('Reshape', 'nms.count', [batch, scalar]), one]); // [B]
  const earlier = g.op(
    'Cast',
    'nms.earlier',
    [
      g.op('Greater', 'nms.after', [
        g.op('Unsqueeze', 'nms.wide', [pictures, g.ints('nms.axis', [1])]),
        g.op('Transpose', 'nms.tall', [picture], { perm: [1, 0] }),
      ]),
    ],
    { to: 7 },
  ); // [B, N]
  const starts = g.op('ReduceSum', 'nms.starts', [earlier, g.ints('nms.along', [1])], { keepdims: 0 }); // [B]
  const base = g.op('Sub', 'nms.base', [
    g.op('Mul', 'nms.block', [pictures, g.ints('nms.size', [maxDet], [])]),
    starts,
  ]); // [B]
  const total = g.op('Reshape', 'nms.total', [
    g.op('Gather', 'nms.n', [g.op('Shape', 'nms.chosen_shape', [chosen]), g.ints('nms.rows_axis', [0])]),
    scalar,
  ]);
  const index = g.op('Unsqueeze', 'nms.index', [
    g.op('Range', 'nms.order', [zero, total, one]),
    g.ints('nms.last', [1]),
  ]); // [N, 1]
  const place = g.op('Add', 'nms.place', [index, g.op('Gather', 'nms.base_of', [base, picture])]);
  return finish(g, { kept, place, batch }, output, maxDet);
}

function finish(
  g: OnnxGraph,
  { kept, place, batch }: { kept: string; place: string; batch: string },
  output: string,
  maxDet: number,
): string {
  const slots = g.op('Mul', 'nms.slots', [batch, g.ints('nms.per_picture', [maxDet])]); // [1]
  const shape = g.op('Concat', 'nms.flat_shape', [slots, g.ints('nms.six', [6])], { axis: 0 });
  const empty = g.op('Expand', 'nms.empty', [g.floats('nms.nothing', [0]), shape]); // [B·maxDet, 6]
  const filled = g.op('ScatterND', 'nms.filled', [empty, place, kept]);
  return g.op('Reshape', output, [filled, g.ints('nms.final_shape', [-1, maxDet, 6])]);
}
