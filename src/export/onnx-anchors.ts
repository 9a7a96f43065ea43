/** Centres of all cells and their strides in an ONNX graph. */
import { anchorsOf, levelsOf } from '../nn/head.js';
import type { OnnxGraph } from './onnx-graph.js';

/** Nodes that hold the points [1, 2, A] (x, y in units of the stride) and the strides [1, 1, A]. */
export interface AnchorNames {
  points: string;
  strides: string;
}

/** As constants, for images of one size. */
export function fixedAnchors(
  g: OnnxGraph,
  name: string,
  perLevel: readonly number[],
  [height, width]: readonly [number, number],
): AnchorNames {
  const anchors = anchorsOf(levelsOf(height, width, perLevel), perLevel);
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

/** Computed in the graph from the sizes of the feature maps. */
export function freeAnchors(
  g: OnnxGraph,
  name: string,
  perLevel: readonly number[],
  maps: readonly string[],
): AnchorNames {
  const zero = g.floats(`${name}.zero`, [0], []);
  const one = g.floats(`${name}.one`, [1], []);
  const half = g.floats(`${name}.cell_centre`, [0.5]);
  const scalar = g.ints(`${name}.scalar`, [], [0]);
  const row = g.ints(`${name}.row`, [1, 1, -1]);
  const column = g.ints(`${name}.column`, [-1, 1]);
  const parts = maps.map((map, i) => {
    const at = (part: string): string => `${name}.anchors.${i}.${part}`;
    const size = g.op('Shape', at('shape'), [map]); // [4]: B, C, h, w
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
      g.floats(at('stride'), [perLevel[i]]),
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
