/** Concat: the channels of several layers of the same size, one after the other. Argument: dimension. */
import type { Module } from './module.js';

export const concat: Module = {
  takesMany: true,
  read(row) {
    row.only(0, [1], 'dimension (1: channels)');
    const strides = row.inputs.map((input) => input.strides[0]);
    if (strides.some((stride) => stride !== strides[0]))
      row.fail(`its inputs have different strides: ${strides.join(', ')}`);
    return {};
  },
  run: (ops, inputs) => ops.concat(inputs),
  describe: () => [1],
};
