import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseModelYaml } from '../../src/nn/model-yaml.js';
import { describeNetwork, summarizeNetwork } from '../../src/nn/summary.js';

const sizes = JSON.parse(readFileSync(new URL('../golden/sizes.json', import.meta.url), 'utf8'));

describe('summary', () => {
  // Published at 640 with 80 classes: GFLOPs of the fused spec (l within 0.1: 165.15 is rounded both ways), and layers.
  const published = {
    n: [8.7, 129, 72],
    s: [28.6, 129, 72],
    m: [78.9, 169, 92],
    l: [165.2, 209, 112],
    x: [257.8, 209, 112],
  };
  for (const [scale, [gflops, layers, fusedLayers]] of Object.entries(published))
    it(`golden sizes: parameters and GFLOPs of ${scale} are those published`, () => {
      const spec = parseModelYaml(`yolov8${scale}.yaml`);
      const plain = summarizeNetwork(spec);
      const fused = summarizeNetwork(spec, { fused: true });
      expect(plain.parameters).toBe(sizes[scale].parameters_nc80);
      expect(plain.layers).toBe(layers);
      expect(fused.layers).toBe(fusedLayers);
      expect(Math.abs(fused.gflops - gflops)).toBeLessThan(0.06);
    });

  it('n: 8.9 GFLOPs, fused 3,151,904 parameters; a quarter of the work at half the size', () => {
    const spec = parseModelYaml('yolov8n.yaml');
    expect(describeNetwork(spec).at(-1)).toMatch(/YOLOv8n summary: 129 layers, 3,157,200 parameters, 8\.9 GFLOPs$/);
    expect(summarizeNetwork(spec, { fused: true }).parameters).toBe(3151904);
    const at = (imgsz: number | [number, number]) => summarizeNetwork(spec, { imgsz }).gflops;
    expect(at(320)).toBeCloseTo(at(640) / 4, 6);
    expect(at([480, 640])).toBeCloseTo(at(640) * 0.75, 6);
  });

  it('has a row a layer', () => {
    const rows = describeNetwork(parseModelYaml('yolov8n.yaml', { nc: 3 }));
    expect(rows).toHaveLength(1 + 23 + 1);
    expect(rows[1]).toMatch(/^ +0 +-1 +1 +464 +Conv +\[3, 16, 3, 2\]$/);
    expect(rows[12]).toMatch(/^ +11 +\[-1, 6\] +1 +0 +Concat +\[1\]$/);
    expect(rows[23]).toMatch(/Detect +\[3, 16, \[64, 128, 256\]\]$/);
    expect(rows[24]).toContain('3,011,433 parameters, 8.2 GFLOPs');
  });
});
