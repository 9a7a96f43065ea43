/** Two 3x3 Conv of the same width, with a residual when asked for: what C2f is filled with. */
import type { Ops } from '../ops.js';

export function bottleneck<V>(ops: Ops<V>, x: V, name: string, to: number, shortcut: boolean): V {
  const y = ops.conv(ops.conv(x, `${name}.cv1`, { to, kernel: 3 }), `${name}.cv2`, { to, kernel: 3 });
  return shortcut ? ops.add(x, y) : y;
}
