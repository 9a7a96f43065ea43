/**
 * DWConv: depthwise Conv, each of whose kernels sees one channel. Arguments: channels, as many as come in, kernel, stride.
 * With a 1x1 Conv after it: a depthwise separable convolution (Howard et al. 2017, "MobileNets").
 */
import type { Ops } from '../ops.js';
import { MAX_KERNEL, type Module } from './module.js';

interface DwConvArgs {
  to: number;
  kernel: number;
  stride: number;
}

export const dwConv: Module<DwConvArgs> = {
  read(row) {
    const to = row.channels(0);
    const { channels } = row.inputs[0];
    if (to !== channels)
      row.fail(`takes ${channels} channels and should give ${to}; only as many as come in are built`);
    const kernel = row.whole(1, 'kernel', 1);
    if (kernel % 2 === 0 || kernel > MAX_KERNEL) row.fail(`kernel ${kernel} should be odd and at most ${MAX_KERNEL}`);
    row.only(3, [1], 'dilation');
    row.only(4, [true], 'activation');
    return { to, kernel, stride: row.whole(2, 'stride', 1) };
  },
  run: (ops, [x], name, args) => ops.conv(x, name, { ...args, depthwise: true }),
  describe: ({ to, kernel, stride }, [from]) => [from, to, kernel, stride],
};

/** 3x3 DWConv, then 1x1 Conv. */
export function separableConv<V>(ops: Ops<V>, x: V, name: string, from: number, to: number): V {
  return ops.conv(ops.conv(x, `${name}.0`, { to: from, kernel: 3, depthwise: true }), `${name}.1`, { to });
}
