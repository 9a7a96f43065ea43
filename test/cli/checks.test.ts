import { readdirSync, symlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gpuDir } from '../../bin/setup/gpu-paths.mjs';
import { cacheDir, engineReady } from '../../bin/setup/paths.mjs';
import { placementOf } from '../../src/engine/checks/gpu-trial.js';
import { runCli } from '../helpers/run-cli.js';
import { tmpDir } from '../helpers/tmp.js';

/** A cache with all of the real one but the GPU engine. */
function cacheWithoutGpu(): string {
  const folder = tmpDir();
  for (const name of readdirSync(cacheDir())) {
    if (/^(engine|tensorflow)-/.test(name) && !name.startsWith(basename(gpuDir())))
      symlinkSync(join(cacheDir(), name), join(folder, name));
  }
  return folder;
}

describe('yolo checks', () => {
  it('says which engine runs and what is missing', async () => {
    const { code, stdout } = await runCli(['checks']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^GPU +\S/m);
    expect(stdout).toMatch(/^Engine: (TensorFlow|WebAssembly)/m);
  });

  it('refuses another word', async () => {
    const { code, stderr } = await runCli(['checks', 'gpus']);
    expect(code).toBe(2);
    expect(stderr).toContain("'checks gpus' is not valid");
  });
});

describe('yolo checks gpu', () => {
  it.runIf(engineReady())('without the GPU engine says what is missing, and nothing of the user', async () => {
    const cache = cacheWithoutGpu();
    const { code, stdout } = await runCli(['checks', 'gpu'], { env: { YOLO_CACHE: cache } });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^Problem: no GPU can be used: .+\. To use one: .+\.$/m);
    expect(stdout).toMatch(/^GPU engine +not set up$/m);
    for (const place of [cache, homedir()]) expect(stdout).not.toContain(place);
    const json = await runCli(['checks', 'gpu', 'json'], { env: { YOLO_CACHE: cache } });
    expect(JSON.parse(json.stdout).problems).toHaveLength(1);
  });

  it('without the native engine there is nothing to compare with', async () => {
    const { code, stderr } = await runCli(['checks', 'gpu'], { env: { YOLO_CACHE: tmpDir() } });
    expect(code).toBe(1);
    expect(stderr).toContain('the native engine is not set up');
  });

  it('counts the nodes on each device by what TensorFlow wrote', () => {
    const device = (kind: string) => `/job:localhost/replica:0/task:0/device:${kind}:0`;
    const output = [
      `4x160/Conv2D_1: (Conv2D): ${device('GPU')}`,
      `4x160/Reshape: (Reshape): ${device('CPU')}`,
      'something else: 12',
      `4x160/Reshape: (Reshape): ${device('CPU')}`,
      `4x160/Add: (AddV2): ${device('GPU')}`,
    ].join('\n');
    expect(placementOf(output)).toEqual({ nodes: { GPU: 2, CPU: 1 }, onCpu: { Reshape: 1 } });
  });
});
