import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import { fileShape } from '../../src/nn/layout.js';
import { buildNetwork } from '../../src/nn/model.js';
import { parseModelYaml } from '../../src/nn/model-yaml.js';
import { loadCheckpoint, saveCheckpoint, specOf } from '../../src/nn/weights.js';
import { tmpDir } from '../helpers/tmp.js';
import { Call, module, TorchFileWriter, Tuple } from '../helpers/torch-file.js';

const dir = tmpDir();
const path = join(dir, 'model.pt');

/** A checkpoint as ultralytics would save it, of a network with one Conv and a Detect of nothing. */
function checkpoint(
  change: {
    model?: string;
    layers?: string[];
    modules?: string;
    names?: unknown;
    key?: string;
    bare?: boolean;
    yaml?: unknown;
  } = {},
): Buffer {
  const w = new TorchFileWriter();
  const nn = 'torch.nn.modules';
  const prefix = change.modules ?? 'ultralytics.nn.modules.conv';
  const half = (values: number[], shape: number[]): Call =>
    w.tensor('torch.HalfStorage', Uint16Array.from(values), shape);
  const parameter = (t: Call): Call =>
    new Call('torch._utils._rebuild_parameter', [t, true, new Call('collections.OrderedDict', [])]);
  const conv = module(
    `${nn}.conv.Conv2d`,
    {},
    { _parameters: { weight: parameter(half([0x3c00, 0xc100], [2, 1, 1, 1])), bias: null } },
  );
  const bn = module(
    `${nn}.batchnorm.BatchNorm2d`,
    {},
    {
      _parameters: { weight: w.floats([1, 2], [2]), bias: w.floats([3, 4], [2]) },
      _buffers: {
        running_mean: w.floats([5, 6], [2]),
        running_var: w.floats([7, 8], [2]),
        num_batches_tracked: w.tensor('torch.LongStorage', BigInt64Array.of(9n), []),
        fleeting: w.floats([1], [1]),
      },
      _non_persistent_buffers_set: new Call('__builtin__.set', [['fleeting']]),
    },
  );
  const layers = (change.layers ?? ['Conv', 'Detect']).map((kind, i) => [
    String(i),
    module(`${prefix}.${kind}`, i === 0 ? { conv, bn, act: module(`${nn}.activation.SiLU`, {}) } : {}),
  ]);
  const model = module(
    change.model ?? 'ultralytics.nn.tasks.DetectionModel',
    { model: module(`${nn}.container.Sequential`, Object.fromEntries(layers)) },
    {
      names:
        change.names ??
        new Map([
          [0, 'cat'],
          [1, 'dog'],
        ]),
      yaml: change.yaml ?? { nc: 2, depth_multiple: 0.33, width_multiple: 0.25, backbone: [], head: [] },
      yaml_file: 'yolov8n.yaml',
      stride: w.floats([8, 16, 32], [3]),
    },
  );
  const rest = {
    epoch: 3,
    best_fitness: null,
    date: '2024-01-01',
    license: 'X',
    train_args: { epochs: 5, imgsz: 320, device: null, path: new Call('pathlib.PosixPath', ['/', 'data', 'x.yaml']) },
  };
  return w.file(
    change.bare ? model : { [change.key ?? 'model']: model, ...(change.key === 'ema' ? { model: null } : {}), ...rest },
  );
}

async function load(data: Uint8Array): ReturnType<typeof loadCheckpoint> {
  writeFileSync(path, data);
  return loadCheckpoint(path);
}

describe('a .pt checkpoint', () => {
  for (const modules of ['ultralytics.nn.modules', 'ultralytics.nn.modules.conv']) {
    for (const key of ['model', 'ema']) {
      test(`module path ${modules}, weights under '${key}'`, async () => {
        const got = await load(checkpoint({ modules, key }));
        expect([...got.weights.keys()]).toEqual(
          ['conv.weight', 'bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var'].map((n) => `model.0.${n}`),
        );
        expect(got.weights.get('model.0.conv.weight')).toEqual({ shape: [2, 1, 1, 1], data: Float32Array.of(1, -2.5) });
        expect(got.weights.get('model.0.bn.running_var')!.data).toEqual(Float32Array.of(7, 8));
        expect(got.names).toEqual(['cat', 'dog']);
        expect(got.yaml).toEqual({ nc: 2, backbone: [], head: [], scales: { n: [0.33, 0.25, 1024] }, scale: 'n' });
        expect(got.trainArgs).toEqual({ epochs: 5, imgsz: 320, device: null, path: '/data/x.yaml' });
        expect(got.info).toMatchObject({ epoch: 3, date: '2024-01-01', license: 'X', stride: [8, 16, 32] });
      });
    }
  }

  test('a module that was saved by itself; names as a list', async () => {
    const got = await load(checkpoint({ bare: true, names: ['a', 'b'] }));
    expect(got.names).toEqual(['a', 'b']);
    expect(got.weights.size).toBe(5);
  });

  test('of YOLO11', async () => {
    const { weights } = await load(checkpoint({ layers: ['Conv', 'C3k2', 'C2PSA', 'Detect'] }));
    expect(weights.size).toBeGreaterThan(0);
  });

  const wrong: [string, Parameters<typeof checkpoint>[0], RegExp][] = [
    ['segmentation', { model: 'ultralytics.nn.tasks.SegmentationModel' }, /a segmentation model \(SegmentationModel\)/],
    ['segmentation head', { layers: ['Conv', 'C2f', 'Segment'] }, /a segmentation model \(Segment\)/],
    ['pose', { model: 'ultralytics.nn.tasks.PoseModel' }, /a pose model/],
    ['OBB', { model: 'ultralytics.nn.tasks.OBBModel' }, /an oriented-box \(OBB\) model/],
    ['classification', { model: 'ultralytics.nn.tasks.ClassificationModel' }, /a classification model/],
    ['YOLOv5 of its own repository', { model: 'models.yolo.DetectionModel' }, /YOLOv5/],
    ['YOLOv5u', { layers: ['Conv', 'C3', 'Detect'] }, /YOLOv3 or YOLOv5 checkpoint \(it has C3\)/],
    ['YOLOv9', { layers: ['Conv', 'RepNCSPELAN4', 'Detect'] }, /YOLOv9/],
    ['YOLOv10', { layers: ['Conv', 'C2f', 'v10Detect'] }, /YOLOv10/],
    ['YOLO12', { layers: ['Conv', 'C3k2', 'A2C2f', 'Detect'] }, /YOLO12/],
    ['RT-DETR', { model: 'ultralytics.nn.tasks.RTDETRDetectionModel' }, /RT-DETR/],
    ['an unknown layer', { layers: ['Conv', 'Mystery', 'Detect'] }, /layer of class Mystery/],
    ['an empty model', { layers: [] }, /has no layers/],
    ['too few names', { names: ['a'] }, /1 class names for 2 classes/],
    [
      'names numbered wrongly',
      {
        names: new Map([
          [1, 'a'],
          [2, 'b'],
        ]),
      },
      /numbered 1, 2/,
    ],
  ];
  for (const [what, change, message] of wrong)
    test(`refused: ${what}`, () => expect(load(checkpoint(change))).rejects.toThrow(message));

  test('refused: no model in it; a truncated file; os.system', async () => {
    await expect(load(new TorchFileWriter().file({ epoch: 3 }))).rejects.toThrow(/contains no model/);
    await expect(load(new TorchFileWriter().file({ model: new Tuple(1) }))).rejects.toThrow(/contains no model/);
    const whole = checkpoint();
    await expect(load(whole.subarray(0, whole.length - 500))).rejects.toThrow(/end of the file is missing/);
    await expect(load(new TorchFileWriter().file({ model: new Call('os.system', ['id']) }))).rejects.toThrow(
      /'os.system'/,
    );
  });
});

describe('bare state dicts and safetensors', () => {
  /** Names and shapes of a network's weights in a file. */
  function weightsOf(scale: string, nc: number): [string, number[]][] {
    const { parameters } = buildNetwork(parseModelYaml(`yolov8${scale}.yaml`, { nc }));
    return parameters.map(({ name, shape }) => [name, fileShape(shape)]);
  }

  for (const [scale, prefix] of [
    ['n', ''],
    ['s', 'model.'],
    ['n', 'module.'],
  ]) {
    test(`scale ${scale} is recognised from shapes, prefix '${prefix}' is taken off`, async () => {
      const w = new TorchFileWriter();
      const zeros = (shape: number[]): Call =>
        w.tensor('torch.FloatStorage', new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
      const got = await load(w.file(Object.fromEntries(weightsOf(scale, 7).map(([n, s]) => [prefix + n, zeros(s)]))));
      expect(got.weights.has('model.0.conv.weight')).toBe(true);
      const spec = specOf(got);
      expect([spec.scale, spec.nc]).toEqual([scale, 7]);
    });
  }

  test('weights of a network that is not known are not taken for another', async () => {
    const w = new TorchFileWriter();
    const floats = ([name, shape]: [string, number[]]) => [
      name,
      w.floats(Array(shape.reduce((a, b) => a * b, 1)).fill(0), shape),
    ];
    const all = weightsOf('n', 2);
    const got = await load(
      w.file(Object.fromEntries(all.filter(([name]) => !name.startsWith('model.21.')).map(floats))),
    );
    expect(() => specOf(got, 'x.pt')).toThrow(
      /x\.pt has no description.*not those of yolo11\.yaml \(n, s, m, l, x\), yolov8\.yaml/,
    );
  });

  test('weights of something else are refused with their names', async () => {
    const w = new TorchFileWriter();
    const got = await load(w.file({ 'layer1.0.weight': w.floats([1], [1]) }));
    expect(() => specOf(got, 'x.pt')).toThrow(/x\.pt has no description.*layer1\.0\.weight/);
  });

  test('saveCheckpoint and loadCheckpoint give back everything', async () => {
    const got = await load(checkpoint());
    const file = join(dir, 'saved.safetensors');
    saveCheckpoint(file, got);
    const again = await loadCheckpoint(file);
    expect(again.names).toEqual(got.names);
    expect(again.yaml).toEqual(got.yaml);
    expect(again.trainArgs).toEqual(got.trainArgs);
    expect(again.info).toEqual(got.info);
    expect([...again.weights]).toEqual([...got.weights]);
  });

  test('a safetensors file with halves and without metadata; damaged metadata', async () => {
    const file = join(dir, 'half.safetensors');
    writeSafetensors(file, [['model.0.conv.weight', { dtype: 'F16', shape: [1], data: Uint16Array.of(0x3c00) }]]);
    expect((await loadCheckpoint(file)).weights.get('model.0.conv.weight')!.data).toEqual(Float32Array.of(1));
    writeSafetensors(file, [...readSafetensors(file).tensors], { yaml: '{"a":' });
    await expect(loadCheckpoint(file)).rejects.toThrow(/'yaml' in its metadata is not JSON/);
  });
});
