/** Upsample: every cell twice along both sides. Arguments: size, factor, mode. */
import type { Module } from './module.js';

export const upsample: Module = {
  read(row) {
    row.only(0, [null, 'None'], 'size');
    row.only(1, [2], 'factor');
    row.only(2, ['nearest'], 'mode');
    if (row.inputs[0].strides[0] < 2) row.fail('would be larger than the image');
    return {};
  },
  run: (ops, [x]) => ops.upsample2x(x),
  describe: () => ['null', 2, 'nearest'],
};
