/**
 * C2PSA: 1x1 Conv; blocks of attention, one after the other, on its second half; concat of its first half and what comes out;
 * 1x1 Conv. Arguments: channels, which stay as they are, and expansion.
 */
import { attentionBlock, headsOf } from './attention.js';
import type { Module } from './module.js';

interface C2psaArgs {
  to: number;
  hidden: number;
  repeats: number;
}

export const c2psa: Module<C2psaArgs> = {
  repeatable: true,
  read(row) {
    const to = row.channels(0);
    if (to !== row.inputs[0].channels) row.fail(`takes ${row.inputs[0].channels} channels, but should give ${to}`);
    const hidden = row.limited(Math.floor(to * row.factor(1, 'expansion', 0.5)));
    const heads = headsOf(hidden);
    if (hidden < 2 || hidden % heads > 0)
      row.fail(`${hidden} channels can't be shared among ${heads} heads of attention`);
    return { to, hidden, repeats: row.repeats };
  },
  run(ops, [x], name, { to, hidden, repeats }) {
    const [kept, rest] = ops.split(ops.conv(x, `${name}.cv1`, { to: 2 * hidden }), [hidden, hidden]);
    let y = rest;
    for (let i = 0; i < repeats; i++) y = attentionBlock(ops, y, `${name}.m.${i}`, hidden);
    return ops.conv(ops.concat([kept, y]), `${name}.cv2`, { to });
  },
  describe: ({ to, repeats }, [from]) => [from, to, repeats],
};
