/** Non-maximum suppression as the end of an exported graph: the rules of src/detect/nms.ts as ONNX operators. */
import type { OnnxGraph } from './onnx-graph.js';

export interface Final {
  conf: number;
  iou: number;
  maxDet: number;
  agnostic: boolean;
}

/** As the reference keeps classes apart: each class's boxes are moved by this many pixels. */
const CLASS_OFFSET = 7680;

/**
 * Best class of each anchor, suppression within classes (or across, `agnostic`), the most certain first.
 * @param centre [B, 2, A] and size [B, 2, A], pixels; scores [B, K, A]
 * @returns [B, maxDet, 6]: x1 y1 x2 y2 confidence class; rows beyond the last detection are zero
 */
export function suppress(
  g: OnnxGraph,
  { centre, size, scores }: Record<'centre' | 'size' | 'scores', string>,
  output: string,
  { conf, iou, maxDet, agnostic }: Final,
): string {
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
  const chosen = g.op('NonMaxSuppression', 'nms.chosen', [compared, best, ...limits]); // [N, 3]: image, 0, anchor
  return arrange(g, rows, chosen, output, maxDet);
}

function reduceMax(g: OnnxGraph, name: string, scores: string): string {
  // ReduceMax takes its axes as an attribute before operator set 18 and as an input from then on; TopK of 1 never changed.
  return g.split('TopK', name, [scores, g.ints(`${name}.one`, [1])], 2, { axis: 1, largest: 1, sorted: 0 })[0];
}

/**
 * Puts the chosen rows of each image one under the other. They come sorted by image, so that a row's place is its index
 * less the number of rows of the images before.
 */
function arrange(g: OnnxGraph, rows: string, chosen: string, output: string, maxDet: number): string {
  const picked = g.op('Gather', 'nms.where', [chosen, g.ints('nms.columns', [0, 2])], { axis: 1 }); // [N, 2]: image, anchor
  const kept = g.op('GatherND', 'nms.kept', [rows, picked]); // [N, 6]
  const image = g.op('Gather', 'nms.image', [chosen, g.ints('nms.column', [0])], { axis: 1 }); // [N, 1]
  const batch = g.op('Gather', 'nms.batch', [g.op('Shape', 'nms.shape', [rows]), g.ints('nms.first', [0])]); // [1]
  const zero = g.ints('nms.zero', [0], []);
  const one = g.ints('nms.one', [1], []);
  const scalar = g.ints('nms.scalar', [], [0]);
  const images = g.op('Range', 'nms.images', [zero, g.op('Reshape', 'nms.count', [batch, scalar]), one]); // [B]
  const earlier = g.op(
    'Cast',
    'nms.earlier',
    [
      g.op('Greater', 'nms.after', [
        g.op('Unsqueeze', 'nms.wide', [images, g.ints('nms.axis', [1])]),
        g.op('Transpose', 'nms.tall', [image], { perm: [1, 0] }),
      ]),
    ],
    { to: 7 },
  ); // [B, N]
  const starts = g.op('ReduceSum', 'nms.starts', [earlier, g.ints('nms.along', [1])], { keepdims: 0 }); // [B]
  const base = g.op('Sub', 'nms.base', [g.op('Mul', 'nms.block', [images, g.ints('nms.size', [maxDet], [])]), starts]); // [B]
  const total = g.op('Reshape', 'nms.total', [
    g.op('Gather', 'nms.n', [g.op('Shape', 'nms.chosen_shape', [chosen]), g.ints('nms.rows_axis', [0])]),
    scalar,
  ]);
  const index = g.op('Unsqueeze', 'nms.index', [
    g.op('Range', 'nms.order', [zero, total, one]),
    g.ints('nms.last', [1]),
  ]); // [N, 1]
  const place = g.op('Add', 'nms.place', [index, g.op('Gather', 'nms.base_of', [base, image])]);
  return finish(g, { kept, place, batch }, output, maxDet);
}

function finish(
  g: OnnxGraph,
  { kept, place, batch }: { kept: string; place: string; batch: string },
  output: string,
  maxDet: number,
): string {
  const slots = g.op('Mul', 'nms.slots', [batch, g.ints('nms.per_image', [maxDet])]); // [1]
  const shape = g.op('Concat', 'nms.flat_shape', [slots, g.ints('nms.six', [6])], { axis: 0 });
  const empty = g.op('Expand', 'nms.empty', [g.floats('nms.nothing', [0]), shape]); // [B·maxDet, 6]
  const filled = g.op('ScatterND', 'nms.filled', [empty, place, kept]);
  return g.op('Reshape', output, [filled, g.ints('nms.final_shape', [-1, maxDet, 6])]);
}
