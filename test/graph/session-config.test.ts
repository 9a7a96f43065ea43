import { expect, it } from 'vitest';
import { configProto } from '../../src/graph/session-config.js';
import { bytesFields, intFields, type ProtoField, readFields, stringField } from '../../src/io/protobuf.js';

/** The nested message. */
const within = (fields: readonly ProtoField[], field: number) => readFields(bytesFields(fields, field)[0]);

// Field numbers: tensorflow/core/protobuf/{config,rewriter_config}.proto.
it('by default: all GPUs, memory as needed, soft placement, no mixed precision', () => {
  const config = readFields(configProto({}));
  expect(intFields(within(config, 6), 4)).toEqual([1]); // gpu_options.allow_growth
  expect(stringField(within(config, 6), 5)).toBeUndefined(); // visible_device_list
  expect([intFields(config, 7), intFields(config, 8)]).toEqual([[1], [0]]); // allow_soft_placement, log_device_placement
  expect([intFields(config, 2), intFields(config, 5), bytesFields(config, 1)]).toEqual([[], [], []]);
  const rewriter = within(within(config, 10), 10);
  expect([intFields(rewriter, 19), intFields(rewriter, 23), intFields(rewriter, 31)]).toEqual([[], [2], [2]]);
});

it('some GPUs, a part of their memory, all of it at once; threads; strict placement, written down', () => {
  const gpu = { visible: '0,2', growth: false, memoryFraction: 0.25 };
  const options = { gpu, intraThreads: 3, interThreads: 2, softPlacement: false, logPlacement: true, rewriter: false };
  const config = readFields(configProto(options));
  const gpuOptions = within(config, 6);
  expect([intFields(gpuOptions, 4), stringField(gpuOptions, 5)]).toEqual([[0], '0,2']);
  const fraction = gpuOptions.find(({ field }) => field === 1)?.value as Uint8Array;
  expect(new DataView(fraction.buffer, fraction.byteOffset).getFloat64(0, true)).toBe(0.25);
  expect([2, 5, 7, 8].map((field) => intFields(config, field))).toEqual([[3], [2], [0], [1]]);
  expect(intFields(within(within(config, 10), 10), 19)).toEqual([1]); // disable_meta_optimizer
});

it('gpu=false: none is seen', () => {
  const config = readFields(configProto({ gpu: false }));
  const count = within(config, 1); // an entry of device_count
  expect([stringField(count, 1), intFields(count, 2)]).toEqual(['GPU', [0]]);
  expect(bytesFields(config, 6)).toEqual([]);
});
