import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../helpers/run-cli.js';
import { tmpDir } from '../helpers/tmp.js';

const folder = process.env.YOLO_REFERENCE ?? '';
/** A Python with torch and ultralytics. */
const python = process.env.YOLO_PYTHON;

/** Compares with what the checkpoint itself holds, then loads the state dict into a network of ultralytics, key by key. */
const SCRIPT = `
import sys, json, torch
from ultralytics.nn.tasks import DetectionModel
original, exported = sys.argv[1:]
want = torch.load(original, map_location='cpu', weights_only=False)['model'].state_dict()
got = torch.load(exported, weights_only=True)
same = set(want) == set(got) and all(w.shape == got[k].shape and torch.equal(w.to(got[k].dtype), got[k]) for k, w in want.items())
model = DetectionModel(got.yaml, nc=len(got.names), verbose=False)
print(json.dumps({'same': same, 'names': len(got.names), 'loaded': str(model.load_state_dict(got))}))
`;

test.skipIf(!python)(
  'yolov8n.pt → format=torch → torch.load(weights_only=True): every tensor is the same',
  async () => {
    const dir = tmpDir();
    copyFileSync(join(folder, 'weights/yolov8n.pt'), join(dir, 'yolov8n.pt'));
    for (const half of [false, true]) {
      const args = ['export', 'model=yolov8n.pt', 'format=torch', `half=${half}`, 'imgsz=64', 'json=true'];
      const { stdout, stderr } = await runCli(args, { cwd: dir });
      const [file] = JSON.parse(stdout || '{}').files ?? [stderr];
      const run = spawnSync(python!, ['-c', SCRIPT, 'yolov8n.pt', file], { cwd: dir, encoding: 'utf8' });
      expect(run.status, run.stderr).toBe(0);
      expect(JSON.parse(run.stdout.trim().split('\n').at(-1)!)).toEqual({
        same: true,
        names: 80,
        loaded: '<All keys matched successfully>',
      });
    }
  },
);
