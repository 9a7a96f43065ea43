import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { TorchTensor } from '../../src/io/torch-names.js';
import { openTorchFile } from '../../src/io/torch-pt.js';
import { tmpDir } from '../helpers/tmp.js';
import { TorchFileWriter } from '../helpers/torch-file.js';
import { makeZip } from '../helpers/zip-writer.js';

const dir = tmpDir();
const path = join(dir, 'x.pt');

function readAll(file: string): Record<string, { shape: number[]; data: number[] }> {
  const opened = openTorchFile(file);
  try {
    const entries = [...(opened.root as Map<string, unknown>)].map(([name, tensor]) => {
      expect(tensor).toBeInstanceOf(TorchTensor);
      const { shape, data } = opened.read(tensor as TorchTensor);
      return [name, { shape, data: [...data] }];
    });
    return Object.fromEntries(entries);
  } finally {
    opened.close();
  }
}

function written(data: Uint8Array): string {
  writeFileSync(path, data);
  return path;
}

describe('torch files', () => {
  test('a file of torch.save: views, strides, offsets, every number type', () => {
    const got = readAll(fileURLToPath(new URL('../fixtures/torch-views.bin', import.meta.url)));
    const base = (i: number, j: number, k: number): number => i * 12 + j * 4 + k;
    expect(got.whole).toEqual({ shape: [2, 3, 4], data: Array.from({ length: 24 }, (_, i) => i) });
    const turned = [0, 1, 2, 3].flatMap((k) => [0, 1].flatMap((i) => [0, 1, 2].map((j) => base(i, j, k))));
    expect(got.t).toEqual({ shape: [4, 2, 3], data: turned });
    expect(got.slice).toEqual({ shape: [2, 2], data: [base(0, 1, 1), base(0, 1, 2), base(1, 1, 1), base(1, 1, 2)] });
    expect(got.half.data).toEqual([1, -2.5, 2 ** -24, 65504]);
    expect(got.bf.data[1]).toBe(-2.5);
    expect(got.bf.data[2] / 3e38).toBeCloseTo(1, 2);
    expect(got.double.data).toEqual([Math.fround(0.1)]);
    expect(got.long.data).toEqual([2 ** 40, -3]);
    expect(got.u8.data).toEqual([0, 255]);
    expect(got.scalar).toEqual({ shape: [], data: [7] });
    expect(got.empty).toEqual({ shape: [0, 3], data: [] });
    expect(got.expanded.data).toEqual([5, 5, 5]);
    expect(got.p.data).toEqual([1, 1]);
  });

  test('two tensors on one storage do not share memory here', () => {
    const opened = openTorchFile(fileURLToPath(new URL('../fixtures/torch-views.bin', import.meta.url)));
    const root = opened.root as Map<string, TorchTensor>;
    const whole = opened.read(root.get('whole')!).data;
    const turned = opened.read(root.get('t')!).data;
    whole[1] = 100;
    expect(turned).not.toContain(100);
    opened.close();
  });

  test('deflated entries', () => {
    const w = new TorchFileWriter({ deflate: true });
    expect(readAll(written(w.file({ a: w.floats([1, 2, 3, 4], [2, 2]) })))).toEqual({
      a: { shape: [2, 2], data: [1, 2, 3, 4] },
    });
  });

  test('a storage that is shorter than the tensor, or than it claims, is refused', () => {
    const short = new TorchFileWriter();
    expect(() =>
      readAll(
        written(short.file({ a: short.tensor('torch.FloatStorage', new Float32Array(4), [3, 2], { count: 4 }) })),
      ),
    ).toThrow(/does not fit its storage of 4/);
    const claims = new TorchFileWriter();
    expect(() =>
      readAll(
        written(claims.file({ a: claims.tensor('torch.FloatStorage', new Float32Array(4), [4], { count: 1e9 }) })),
      ),
    ).toThrow(/should have 4000000000 bytes and has 16/);
    const strides = new TorchFileWriter();
    expect(() =>
      readAll(
        written(
          strides.file({
            a: strides.tensor('torch.FloatStorage', new Float32Array(4), [2], { stride: [4], count: 4 }),
          }),
        ),
      ),
    ).toThrow(/does not fit/);
    const huge = new TorchFileWriter();
    expect(() =>
      readAll(
        written(
          huge.file({
            a: huge.tensor('torch.FloatStorage', new Float32Array(1), [1e5, 1e5], { stride: [0, 0], count: 1 }),
          }),
        ),
      ),
    ).toThrow(/does not fit/);
    const negative = new TorchFileWriter();
    expect(() =>
      readAll(
        written(
          negative.file({
            a: negative.tensor('torch.FloatStorage', new Float32Array(4), [2], { offset: -1, count: 4 }),
          }),
        ),
      ),
    ).toThrow(/unknown form/);
  });

  test('what is no PyTorch file is said by its kind', () => {
    const cases: [Buffer, RegExp][] = [
      [Buffer.alloc(0), /is empty/],
      [Buffer.from('<!DOCTYPE html><html>'), /web page/],
      [Buffer.from('version https://git-lfs.github.com/spec/v1\n'), /LFS/],
      [Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex'), /before 1\.6/],
      [Buffer.from('random bytes'), /is not a checkpoint: neither/],
      [makeZip([{ name: 'photo.jpg', data: Buffer.from('x') }]), /no data\.pkl/],
      [
        makeZip([
          { name: 'm/data.pkl', data: Buffer.from('N.') },
          { name: 'm/constants.pkl', data: Buffer.from('N.') },
        ]),
        /TorchScript/,
      ],
      [
        makeZip([
          { name: 'm/data.pkl', data: Buffer.from('N.') },
          { name: 'm/byteorder', data: Buffer.from('big') },
        ]),
        /big-endian/,
      ],
      [makeZip([{ name: 'm/data.pkl', data: Buffer.alloc(80e6), deflate: true }]), /zip bomb/],
    ];
    for (const [data, message] of cases) expect(() => openTorchFile(written(data))).toThrow(message);
    expect(() => openTorchFile(join(dir, 'nothing.pt'))).toThrow(expect.objectContaining({ code: 'missing-file' }));
  });
});
