import { beforeAll, describe, expect, it } from 'vitest';
import type { Checkpoint, NamedArray } from '../../src/core/types.js';
import { toFile } from '../../src/nn/layout.js';
import { buildNetwork, type Network } from '../../src/nn/model.js';
import { parseModelYaml } from '../../src/nn/model-yaml.js';
import type { Arrays } from '../../src/nn/parameters.js';
import { transferWeights } from '../../src/nn/transfer.js';

const W = 'model.22.cv3.1.2.weight';
const BIAS = 'model.22.cv3.1.2.bias';

function filesOf(params: Arrays): Map<string, NamedArray> {
  return new Map(Object.entries(params).map(([name, array]) => [name, toFile(array)]));
}

function checkpointOf(network: Network, names: string[]): Checkpoint {
  return { weights: filesOf(network.init(7)), names, info: {}, yaml: network.spec.yaml };
}

const coco = Array.from({ length: 80 }, (_, i) => `class ${i}`);
const run = (source: Checkpoint, network: Network, names: string[], clsRemap = true) => {
  const fresh = network.init(0);
  const out = transferWeights(source, network, fresh, { names, clsRemap });
  return { ...out, fresh: filesOf(fresh), result: filesOf(out.params) };
};

describe('transferWeights', () => {
  let n80: Network;
  let source: Checkpoint;
  beforeAll(() => {
    n80 = buildNetwork(parseModelYaml('yolov8n.yaml'));
    source = checkpointOf(n80, coco);
  });

  it('takes 355/355 items for the same classes', () => {
    const { transferred, total, result } = run(source, n80, coco);
    expect([transferred, total]).toEqual([355, 355]);
    for (const [name, { data }] of source.weights)
      expect(Buffer.compare(Buffer.from(data.buffer), Buffer.from(result.get(name)!.data.buffer)), name).toBe(0);
  });

  it('takes 349/355 items for 3 classes, the rest stays fresh', () => {
    const { transferred, total, result, fresh } = run(source, buildNetwork(n80.spec, { nc: 3 }), ['a', 'b', 'c']);
    expect([transferred, total]).toEqual([349, 355]);
    expect(result.get(W)).toEqual(fresh.get(W));
    expect(result.get('model.22.cv3.1.1.conv.weight')).toEqual(source.weights.get('model.22.cv3.1.1.conv.weight'));
  });

  it('copies the rows of classes with the same name, but not with cls_remap=false', () => {
    const names = ['new', 'Class 5', 'class 0'];
    const net = buildNetwork(n80.spec, { nc: 3 });
    const { result, fresh, transferred } = run(source, net, names);
    expect(transferred).toBe(349);
    const row = (from: Map<string, { data: Float32Array }>, name: string, i: number, size: number) =>
      from.get(name)!.data.slice(i * size, (i + 1) * size);
    const size = source.weights.get(W)!.shape[1];
    expect(row(result, W, 0, size)).toEqual(row(fresh, W, 0, size));
    expect(row(result, W, 1, size)).toEqual(row(source.weights, W, 5, size));
    expect(row(result, W, 2, size)).toEqual(row(source.weights, W, 0, size));
    expect(row(result, BIAS, 1, 1)).toEqual(row(source.weights, BIAS, 5, 1));
    expect(run(source, net, names, false).result.get(W)).toEqual(fresh.get(W));
  });

  it('puts the rows where the names are, also when the count is the same', () => {
    const names = [...coco].reverse();
    const { result, transferred } = run(source, n80, names);
    expect(transferred).toBe(355);
    const size = source.weights.get(W)!.shape[1];
    expect(result.get(W)!.data.slice(0, size)).toEqual(source.weights.get(W)!.data.slice(79 * size));
  });

  it('takes what fits of another scale', () => {
    const { transferred, total } = run(source, buildNetwork(parseModelYaml('yolov8s.yaml')), coco);
    expect(total).toBe(355);
    expect(transferred).toBeGreaterThan(0);
    expect(transferred).toBeLessThan(200);
  });
});
