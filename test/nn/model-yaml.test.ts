import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/core/errors.js';
import { parseModelYaml } from '../../src/nn/model-yaml.js';
import { golden } from '../helpers/golden.js';
import { tmpDir } from '../helpers/tmp.js';

const sizes = JSON.parse(readFileSync(new URL('../golden/sizes.json', import.meta.url), 'utf8'));

describe('parseModelYaml', () => {
  for (const scale of Object.keys(sizes))
    it(`golden sizes: yolov8${scale}.yaml feeds its head ${sizes[scale].channels} channels`, () => {
      const spec = parseModelYaml(`yolov8${scale}.yaml`);
      expect(spec.scale).toBe(scale);
      expect(spec.nc).toBe(80);
      expect(spec.head.inChannels).toEqual(sizes[scale].channels);
      expect(spec.strides).toEqual([8, 16, 32]);
      expect(spec.stride).toBe(32);
      expect(spec.head.inputs).toEqual([15, 18, 21]);
    });

  it('scales repeats: m 0.67, l 1.00', () => {
    const repeats = (name: string) =>
      parseModelYaml(name)
        .layers.filter((l) => l.module === 'C2f')
        .map((l) => l.repeats);
    expect(repeats('yolov8n.yaml')).toEqual([1, 2, 2, 1, 1, 1, 1, 1]);
    expect(repeats('yolov8m.yaml')).toEqual([2, 4, 4, 2, 2, 2, 2, 2]);
    expect(repeats('yolov8l.yaml')).toEqual([3, 6, 6, 3, 3, 3, 3, 3]);
  });

  it('golden model: the description of a checkpoint, with a scale of its own', () => {
    const { meta } = golden('model');
    const spec = parseModelYaml(meta.yaml);
    expect(spec.scale).toBe(meta.yaml.scale);
    expect(spec.nc).toBe(meta.nc);
    expect(spec.layers[10].module).toBe('Upsample');
  });

  it('sets nc, scale and hidden width as asked, and keeps them in yaml', () => {
    const spec = parseModelYaml('yolov8.yaml', { scale: 's', nc: 3, headHidden: 80 });
    expect([spec.nc, spec.scale, spec.head.args.classHidden]).toEqual([3, 's', 80]);
    const again = parseModelYaml(spec.yaml);
    expect(again).toEqual(spec);
  });

  it('reads a file of the user, its scales, and a name with one of them', () => {
    const dir = tmpDir();
    const text = readFileSync(new URL('../../cfg/models/yolov8.yaml', import.meta.url), 'utf8');
    writeFileSync(
      join(dir, 'net8.yaml'),
      text.replace('nc: 80', 'nc: 7').replace(/\n {2}n: .*/, '\n  tiny: [1.0, 0.1, 200]'),
    );
    const spec = parseModelYaml(join(dir, 'net8tiny.yaml'));
    expect([spec.scale, spec.nc]).toEqual(['tiny', 7]);
    expect(spec.layers[0].outChannels).toBe(8);
    expect(spec.layers[7].outChannels).toBe(24);
    expect(spec.layers[6].repeats).toBe(6);
    expect(parseModelYaml(join(dir, 'net8.yaml'), { scale: 's' }).scale).toBe('s');
  });

  it('takes a file without scales as it stands', () => {
    const spec = parseModelYaml({ nc: 2, backbone: [[-1, 1, 'Conv', [16, 3, 2]]], head: [[[0], 1, 'Detect', ['nc']]] });
    expect(spec.scale).toBeUndefined();
    expect(spec.layers[0].outChannels).toBe(16);
    expect(spec.strides).toEqual([2]);
  });

  const plain = { nc: 2, backbone: [[-1, 1, 'Conv', [16, 3, 2]]], head: [[[0], 1, 'Detect', ['nc']]] };
  const bad: [string, Parameters<typeof parseModelYaml>[0], RegExp][] = [
    ['a missing file', 'yolov99n.yaml', /no model description 'yolov99n.yaml'/],
    [
      'a scale that is not there',
      'backbone: []\nhead: []\nscales: {n: [1, 1, 1]}\nscale: q\n',
      /no scale 'q'; there is n/,
    ],
    ['an unknown module', { ...plain, backbone: [[-1, 1, 'A2C2f', [16]]] }, /row 0 \(A2C2f\).*no module 'A2C2f'.*C2f/],
    ['a segmentation head', { ...plain, head: [[[0], 1, 'Segment', ['nc', 32, 256]]] }, /segmentation/],
    ['a missing backbone', { nc: 1, head: [] }, /'backbone' should be a list/],
    ['a row that is none', { ...plain, head: ['Detect'] }, /row 0 of 'head'/],
    ['a layer that comes later', { ...plain, backbone: [[3, 1, 'Conv', [16, 3, 2]]] }, /takes layer 3/],
    ['a grouped convolution', { ...plain, backbone: [[-1, 1, 'Conv', [16, 3, 2, null, 4]]] }, /groups 4/],
    ['no head', { ...plain, head: [[-1, 1, 'Conv', [8]]] }, /should be a Detect/],
    [
      'strides that do not meet',
      {
        ...plain,
        head: [
          [-1, 1, 'Conv', [8, 3, 2]],
          [[0, 1], 1, 'Concat', [1]],
          [[2], 1, 'Detect', ['nc']],
        ],
      },
      /different strides: 2, 4/,
    ],
    ['nc 0', { ...plain, nc: 0 }, /nc should be a whole number above 0/],
    ['an infinite width', { ...plain, width_multiple: Number.POSITIVE_INFINITY }, /Infinity channels/],
    ['a hidden class branch of 1e12', { ...plain, head_hidden: 1e12 }, /head_hidden should be .* at most 16,384/],
    [
      'more parameters than any network has',
      { ...plain, backbone: Array(5).fill([-1, 1, 'Conv', [16384, 1]]) },
      /row 2 \(Conv\): 537,018,368 parameters up to this layer; at most 500,000,000/,
    ],
    ['a stride of 2^20', { ...plain, backbone: [[-1, 1, 'Conv', [8, 3, 2 ** 20]]] }, /1,048,576 pixels of stride/],
    ['a kernel of 10001', { ...plain, backbone: [[-1, 1, 'Conv', [8, 10001]]] }, /kernel 10001; at most 31/],
    ['501 layers', { ...plain, backbone: Array(500).fill([-1, 1, 'Conv', [8]]) }, /501 layers; at most 500/],
    ['a name that every object has', { ...plain, backbone: [[-1, 1, 'constructor', [16]]] }, /no module 'constructor'/],
    ['a scale that every object has', 'yolov8constructor.yaml', /no model description/],
    ['a name of 100 kB', { ...plain, backbone: [[-1, 1, 'x'.repeat(1e5), [16]]] }, /no module 'x{79}…'/],
    ['text that is not YAML', 'a: [1\nb: 2', /not valid YAML/],
  ];
  for (const [what, source, message] of bad)
    it(`refuses ${what}`, () => {
      expect(() => parseModelYaml(source)).toThrow(UserError);
      expect(() => parseModelYaml(source)).toThrow(message);
    });
});
