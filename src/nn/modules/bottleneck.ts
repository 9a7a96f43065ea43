/** Two 3x3 Conv, back to the same width, with a residual when asked for: what C2f, C3k2 and C3k are filled with. */
import type { Ops } from '../ops.js';

/** @param hidden channels between the two; default: as many as come out */
export function bottleneck<V>(ops: Ops<V>, x: V, name: string, to: number, shortcut: boolean, hidden = to): V {
  const y = ops.conv(ops.conv(x, `${name}.cv1`, { to: hidden, kernel: 3 }), `${name}.cv2`, { to, kernel: 3 });
  return shortcut ? ops.add(x, y) : y;
}
