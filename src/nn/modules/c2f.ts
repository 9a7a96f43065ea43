/**
 * C2f: 1x1 Conv; bottlenecks, each fed by the last, start from its second half; concat of it and of theirs; 1x1 Conv.
 * Arguments: channels, residuals, groups, expansion.
 */
import { bottleneck } from './bottleneck.js';
import type { Module } from './module.js';

interface C2fArgs {
  to: number;
  hidden: number;
  repeats: number;
  shortcut: boolean;
}

export const c2f: Module<C2fArgs> = {
  repeatable: true,
  read(row) {
    row.only(2, [1], 'groups');
    const to = row.channels(0);
    const hidden = row.limited(Math.max(1, Math.floor(to * row.factor(3, 'expansion', 0.5))));
    return { to, hidden, repeats: row.repeats, shortcut: row.flag(1, 'shortcut', false) };
  },
  run(ops, [x], name, { to, hidden, repeats, shortcut }) {
    const { whole, half } = ops.convAndHalf(x, `${name}.cv1`, { to: 2 * hidden });
    const parts = [whole];
    let last = half;
    for (let i = 0; i < repeats; i++) {
      last = bottleneck(ops, last, `${name}.m.${i}`, hidden, shortcut);
      parts.push(last);
    }
    return ops.conv(ops.concat(parts), `${name}.cv2`, { to });
  },
  describe: ({ to, repeats, shortcut }, [from]) => [from, to, repeats, ...(shortcut ? ['true'] : [])],
};
