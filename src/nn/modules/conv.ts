/** Conv: convolution without bias and with padding k // 2, BatchNorm, SiLU. Arguments: channels, kernel, stride. */
import { MAX_KERNEL, type Module } from './module.js';

interface ConvArgs {
  to: number;
  kernel: number;
  stride: number;
}

export const conv: Module<ConvArgs> = {
  read(row) {
    const kernel = row.whole(1, 'kernel', 1);
    if (kernel % 2 === 0) row.fail(`kernel ${kernel} should be odd`);
    if (kernel > MAX_KERNEL) row.fail(`kernel ${kernel}; at most ${MAX_KERNEL} is built`);
    row.only(3, [kernel >> 1], 'padding');
    row.only(4, [1], 'groups');
    row.only(5, [1], 'dilation');
    row.only(6, [true], 'activation');
    return { to: row.channels(0), kernel, stride: row.whole(2, 'stride', 1) };
  },
  run: (ops, [x], name, args) => ops.conv(x, name, args),
  describe: ({ to, kernel, stride }, [from]) => [from, to, kernel, stride],
};
