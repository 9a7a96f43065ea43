/** C3k: two 1x1 Conv to half the width, one followed by two bottlenecks; concat of both; 1x1 Conv. A part of C3k2. */
import type { Ops } from '../ops.js';
import { bottleneck } from './bottleneck.js';

export function c3k<V>(ops: Ops<V>, x: V, name: string, to: number): V {
  const hidden = Math.max(1, to >> 1);
  let y = ops.conv(x, `${name}.cv1`, { to: hidden });
  for (const i of [0, 1]) y = bottleneck(ops, y, `${name}.m.${i}`, hidden, true);
  return ops.conv(ops.concat([y, ops.conv(x, `${name}.cv2`, { to: hidden })]), `${name}.cv3`, { to });
}
