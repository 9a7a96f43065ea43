import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runCli } from '../helpers/run-cli.js';
import { tmpDir } from '../helpers/tmp.js';

const dir = tmpDir();

const HEAD = 'head:\n  - [[0], 1, Detect, [nc]]\n';
/** @param backbone rows of the backbone @param top what stands above it */
const description = (backbone: string, top = 'nc: 2\n') => `${top}backbone:\n${backbone}${HEAD}`;
const CONV = '  - [-1, 1, Conv, [16, 3, 2]]\n';
const hostile: [string, string, RegExp][] = [
  [
    'a thousand million classes',
    description(CONV, 'nc: 1000000000\n'),
    /nc should be .* at most 32,768, but is 1000000000/,
  ],
  [
    'depth 1e7',
    description('  - [-1, 3, C2f, [64, true]]\n', 'nc: 2\ndepth_multiple: 1.0e+7\n'),
    /row 0 \(C2f\): 30000000 repeats; at most 100/,
  ],
  [
    'width 1e6',
    description(CONV, 'nc: 2\nwidth_multiple: 1.0e+6\n'),
    /row 0 \(Conv\): 16000000 channels; at most 16384/,
  ],
  ['the module __proto__', description('  - [-1, 1, __proto__, [16]]\n'), /there is no module '__proto__' here/],
];

describe('a model description that is hostile or a slip ends in one line', () => {
  test.each(hostile)('%s', async (name, yaml, message) => {
    const file = join(dir, `${name.replace(/\W+/g, '-')}.yaml`);
    writeFileSync(file, yaml);
    // 1 GB of address space for JavaScript is enough to refuse it, not to build it.
    const { code, stdout, stderr } = await runCli(['benchmark', 'what=step', `model=${file}`], {
      env: { YOLO_ENGINE: 'wasm' },
      node: ['--max-old-space-size=1024'],
    });
    expect(stderr).toMatch(message);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr.length).toBeLessThan(1500);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
