/**
 * Detect: for each level a box branch (distributions over the distances to the four sides: Li et al. 2020, "Generalized
 * Focal Loss") and a class branch. Both are 3x3 Conv, 3x3 Conv, 1x1 convolution with bias; where the network's modules ask
 * for it the class branch has depthwise separable convolutions for the 3x3 ones. Argument: number of classes.
 */
import { REG_MAX } from '../head.js';
import type { Ops } from '../ops.js';
import { separableConv } from './dw-conv.js';
import type { Head } from './module.js';

export interface DetectArgs {
  nc: number;
  /** Hidden width of the box branch, c2. */
  boxHidden: number;
  /** Hidden width of the class branch, c3. */
  classHidden: number;
  /** Channels of the levels, where the class branch has depthwise separable convolutions. */
  separable?: number[];
  /** Image pixels to a cell, by level. */
  strides: number[];
}

/** A branch of a level: its hidden width, its channels at the end and what their bias starts from. */
interface Branch {
  /** Channels that it takes, for depthwise separable convolutions; without, they are whole ones. */
  separable?: number;
  hidden: number;
  to: number;
  bias: number;
}

export const detect: Head<DetectArgs> = {
  takesMany: true,
  read(row) {
    const { inputs, network, args } = row;
    const { nc, headHidden, separableClasses } = network;
    if (args[0] !== undefined && args[0] !== 'nc' && !Number.isInteger(args[0]))
      row.fail('should have the argument nc');
    const [{ channels }] = inputs;
    return {
      nc,
      boxHidden: Math.max(16, channels >> 2, 4 * REG_MAX),
      classHidden: headHidden ?? Math.max(channels, Math.min(nc, 100)),
      ...(separableClasses && { separable: inputs.map((input) => input.channels) }),
      strides: inputs.map(({ strides }) => strides[0]),
    };
  },
  run(ops, maps, name, { nc, boxHidden, classHidden, separable, strides }) {
    // 2.0 on every bin of a distribution (it was 1.0 before 8.4); 5 objects a 640x640 image at the start.
    const boxes = { hidden: boxHidden, to: 4 * REG_MAX, bias: 2 };
    const scores = (i: number): Branch => {
      const bias = Math.log(5 / nc / (640 / strides[i]) ** 2);
      return { separable: separable?.[i], hidden: classHidden, to: nc, bias };
    };
    return {
      boxes: ops.cells(maps.map((map, i) => branch(ops, map, `${name}.cv2.${i}`, boxes))),
      scores: ops.cells(maps.map((map, i) => branch(ops, map, `${name}.cv3.${i}`, scores(i)))),
      maps,
    };
  },
  describe: ({ nc }, from) => [nc, REG_MAX, `[${from.join(', ')}]`],
};

function branch<V>(ops: Ops<V>, x: V, name: string, { separable, hidden, to, bias }: Branch): V {
  const conv = (y: V, at: string, from?: number) =>
    from === undefined ? ops.conv(y, at, { to: hidden, kernel: 3 }) : separableConv(ops, y, at, from, hidden);
  const y = conv(x, `${name}.0`, separable);
  return ops.plainConv(conv(y, `${name}.1`, separable && hidden), `${name}.2`, { to, bias });
}
