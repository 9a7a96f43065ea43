/** SPPF: 1x1 Conv to half; three 5x5 max-pools in a row; concat of all four; 1x1 Conv. Arguments: channels, kernel. */
import type { Module } from './module.js';

interface SppfArgs {
  to: number;
  hidden: number;
}

export const sppf: Module<SppfArgs> = {
  read(row) {
    row.only(1, [5], 'kernel');
    row.only(2, [3], 'number of pools');
    row.only(3, [false], 'shortcut');
    return { to: row.channels(0), hidden: row.inputs[0].channels >> 1 };
  },
  run(ops, [x], name, { to, hidden }) {
    const y = ops.conv(x, `${name}.cv1`, { to: hidden });
    const p1 = ops.maxPool5(y, `${name}.m`); //  5x5
    const p2 = ops.maxPool5(p1, `${name}.m`); // 9x9
    const p3 = ops.maxPool5(p2, `${name}.m`); // 13x13
    return ops.conv(ops.concat([y, p1, p2, p3]), `${name}.cv2`, { to });
  },
  describe: ({ to }, [from]) => [from, to, 5],
};
