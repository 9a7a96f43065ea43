/**
 * C3k2: C2f whose blocks are C3k or narrow bottlenecks, always with residuals (Khanam and Hussain 2024, "YOLOv11: An Overview
 * of the Key Architectural Enhancements"). Arguments: channels, C3k, expansion.
 */
import { bottleneck } from './bottleneck.js';
import { c3k } from './c3k.js';
import type { Module } from './module.js';

interface C3k2Args {
  to: number;
  hidden: number;
  repeats: number;
  /** Blocks are C3k. */
  deep: boolean;
}

/** In networks of these scales all blocks are C3k, whatever the row says. */
const DEEP_SCALES = ['m', 'l', 'x'];

export const c3k2: Module<C3k2Args> = {
  repeatable: true,
  separableClasses: true,
  read(row) {
    row.only(3, [], 'a fourth argument');
    const to = row.channels(0);
    const hidden = row.limited(Math.max(1, Math.floor(to * row.factor(2, 'expansion', 0.5))));
    const deep = row.flag(1, 'C3k', false) || DEEP_SCALES.includes(row.network.scale ?? '');
    return { to, hidden, repeats: row.repeats, deep };
  },
  run(ops, [x], name, { to, hidden, repeats, deep }) {
    const { whole, half } = ops.convAndHalf(x, `${name}.cv1`, { to: 2 * hidden });
    const parts = [whole];
    let last = half;
    for (let i = 0; i < repeats; i++) {
      const block = `${name}.m.${i}`;
      last = deep
        ? c3k(ops, last, block, hidden)
        : bottleneck(ops, last, block, hidden, true, Math.max(1, hidden >> 1));
      parts.push(last);
    }
    return ops.conv(ops.concat(parts), `${name}.cv2`, { to });
  },
  describe: ({ to, hidden, repeats, deep }, [from]) => [from, to, repeats, String(deep), hidden / to],
};
