import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { resolveConfig } from '../../../src/cfg/load.js';
import { log } from '../../../src/core/log.js';
import { loadRun } from '../../../src/engine/train/checkpoint.js';
import type { TrainEpoch } from '../../../src/engine/train/results.js';
import { train } from '../../../src/engine/train/trainer.js';
import { readSafetensors, type StoredTensor, writeSafetensors } from '../../../src/io/safetensors.js';
import { toFile } from '../../../src/nn/layout.js';
import { buildNetwork } from '../../../src/nn/model.js';
import { parseModelYaml } from '../../../src/nn/model-yaml.js';
import { native } from '../../helpers/native.js';
import { writeLeastModel, writeTinyData } from '../../helpers/tiny-data.js';
import { tmpDir } from '../../helpers/tmp.js';

/** Metadata `run` of a checkpoint of November 2026 (commit f439076), interrupted after the second batch of epoch 2. */
const VERSION_2 =
  '{"version":2,"progress":{"epoch":1,"batchInEpoch":2,"index":5,"lossSums":[7.01281064748764,4.5733301639556885,4.404618263244629],"lossBatches":2,"badBatches":0,"bestFitness":0,"bestEpoch":0,"seconds":2.222042298,"recoveries":0,"lrScale":1,"updates":2,"lastStep":3,"labelSlots":4,"rows":[{"epoch":1,"time":2.1797505399999997,"train":{"box_loss":4.870439529418945,"cls_loss":3.0943573315938315,"dfl_loss":null},"lr":[0.01,0.01,0.01],"val":{"box_loss":5.905550003051758,"cls_loss":3.9782004356384277,"dfl_loss":3.4981932640075684},"metrics":{"precision":0,"recall":0,"mAP50":0,"mAP50-95":0}}]},"optimizer":"SGD","schedule":{"epochs":3,"batchesPerEpoch":3,"batch":4,"nbs":8,"lr0":0.01,"lrf":0.01,"cosLr":false,"momentum":0.937,"warmupEpochs":0,"warmupMomentum":0.8,"warmupBiasLr":0.1,"warmsMomentum":true},"commands":["yolo train model=least.yaml"]}';

const dir = tmpDir();
const weights = join(dir, 'run', 'weights');
const path = join(weights, 'last.safetensors');
let data: string;

/** A file of version 2 around fresh weights, as its tensors were named then: optimizer state `slots`, gradients `sums`. */
beforeAll(async () => {
  await native();
  log.setSink({ write: () => {} });
  data = await writeTinyData(dir, { train: 10, val: 4 });
  const network = buildNetwork(parseModelYaml(writeLeastModel(dir)));
  const tensors: [string, StoredTensor][] = [];
  for (const [name, array] of Object.entries(network.init(0))) {
    const stored = (key: string, { shape, data }: typeof array) =>
      tensors.push([key, { dtype: 'F32', shape, data: data as Float32Array<ArrayBuffer> }]);
    stored(name, toFile(array));
    stored(`train/model/${name}`, array);
    if (/running_(mean|var)$/.test(name)) continue;
    stored(`train/slots/0/${name}`, { shape: array.shape, data: new Float32Array(array.data.length).fill(0.5) });
    stored(`train/sums/${name}`, { shape: array.shape, data: new Float32Array(array.data.length).fill(0.25) });
  }
  const settings = { data, model: 'least.yaml', epochs: 3, imgsz: 64, batch: 4, nbs: 8, optimizer: 'SGD' };
  const args = { ...resolveConfig('train', settings), workers: 0, plots: false, warmup_epochs: 0, project: dir };
  mkdirSync(weights, { recursive: true });
  writeSafetensors(path, tensors, {
    names: '["blue","red"]',
    yaml: JSON.stringify(network.spec.yaml),
    trainArgs: JSON.stringify(args),
    info: '{"epoch":0,"best_fitness":0,"date":"2026-11-26T02:48:05.059Z"}',
    run: VERSION_2,
  });
});

it('a checkpoint of version 2 is read: counters, optimizer state and accumulated gradients', () => {
  const { state, progress, run } = loadRun(path);
  expect(progress).toMatchObject({ index: 5, updates: 2, lastStep: 3, labelSlots: 4, epoch: 1, batchInEpoch: 2 });
  expect(progress.rows[0].train.dfl_loss).toBeNaN();
  expect(run).toMatchObject({ optimizer: 'SGD', names: ['blue', 'red'], commands: ['yolo train model=least.yaml'] });
  expect(state.optimizerState['0/model.0.conv.weight'].data[0]).toBe(0.5);
  expect(state.accumulated['model.0.conv.weight'].data[0]).toBe(0.25);
});

it('it is resumed in the middle of its epoch, and its counters go on', async () => {
  const rows: TrainEpoch[] = [];
  for await (const row of train(resolveConfig('train', { resume: path }))) rows.push(row);
  expect(rows.map(({ epoch }) => epoch)).toEqual([2, 3]);
  const last = readSafetensors(path);
  const { version, progress } = JSON.parse(last.metadata.run);
  expect(version).toBe(2);
  // Nine batches of four images; with nbs=8 a step is due two batches after the last one: 3, 5, 7.
  expect(progress).toMatchObject({ index: 9, updates: 4, lastStep: 7, epoch: 3, batchInEpoch: 0 });
  expect([...last.tensors.keys()].filter((name) => name.startsWith('train/slots/0/')).length).toBeGreaterThan(0);
});
