import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PredictResult } from '../../src/core/types.js';
import { runCli } from '../helpers/run-cli.js';
import { tmpDir } from '../helpers/tmp.js';

const reference = process.env.YOLO_REFERENCE ?? '';
const model = `model=${join(reference, 'weights/yolov8n.pt')}`;
const bus = join(reference, 'images/bus.jpg');

describe.skipIf(!reference)('yolo predict on real weights', () => {
  it('with json=true prints nothing but objects on standard output, one a line', async () => {
    const { code, stdout, stderr } = await runCli(['predict', model, `source=${bus}`, 'json', 'save=false'], {
      cwd: tmpDir(),
    });
    expect(code).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(1);
    const result = JSON.parse(lines[0]) as PredictResult;
    expect(Object.keys(result).sort()).toEqual(['detections', 'height', 'path', 'speed', 'width']);
    expect(result.detections.map((d) => d.name)).toContain('bus');
    expect(stderr).toContain('Speed: ');
  });

  it('prints a line an image, names what it could not read, ends with 1', async () => {
    const cwd = tmpDir();
    copyFileSync(bus, join(cwd, 'bus.jpg'));
    writeFileSync(join(cwd, 'broken.jpg'), 'no image');
    const { code, stdout, stderr } = await runCli(['predict', model, 'source=.', 'save=false'], { cwd });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^image \d\/2 \S*bus\.jpg: 640x480 4 persons, 1 bus.*, [\d.]+ms\n$/);
    expect(stderr).toContain('broken.jpg');
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('verbose=false leaves only what matters', async () => {
    const { stdout, stderr } = await runCli(['predict', model, `source=${bus}`, 'verbose=false', 'save=false'], {
      cwd: tmpDir(),
    });
    expect({ stdout, stderr }).toEqual({ stdout: '', stderr: '' });
  });
});
