import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkAddon, describeBinary } from '../../bin/prebuild/check-addon.mjs';
import { engineDir, engineReady, pins, prebuiltDir } from '../../bin/setup/paths.mjs';
import { tensorflowFiles } from '../../src/graph/tensorflow.js';
import { tmpDir } from '../helpers/tmp.js';

const platform = `${process.platform}-${process.arch}`;

describe('an addon', () => {
  it.runIf(engineReady())('is described as what the compiler of this machine has made', () => {
    const { platform: found, libraries } = describeBinary(readFileSync(join(engineDir(), 'session.node')));
    expect(found).toBe(platform);
    expect(libraries.length).toBeGreaterThan(0);
    expect(libraries.join()).not.toMatch(/tensorflow/);
  });

  it.runIf(engineReady())('of another platform is refused', () => {
    const other = platform === 'linux-arm64' ? 'linux-x64' : 'linux-arm64';
    expect(() => checkAddon(other, join(engineDir(), 'session.node'))).toThrow(`is for ${platform}`);
  });

  it.runIf(engineReady() && platform === 'linux-x64')(
    'that is linked to other libraries than the C library is refused',
    () => {
      // tfjs-node's addon is linked to TensorFlow
      expect(() => checkAddon(platform, join(engineDir(), 'tfjs_binding.node'))).toThrow(/is linked to lib\S+/);
    },
  );

  it('that is none is refused', () => {
    const file = join(tmpDir(), 'session.node');
    writeFileSync(file, 'no addon'.repeat(20));
    expect(() => checkAddon(platform, file)).toThrow('session.node: is for none');
  });
});

/** Made by `npm run prebuild`, which is not part of the tests. */
describe.runIf(prebuiltDir('linux-x64'))('prebuilt addons', () => {
  it.each(Object.keys(pins.wheels))('for %s can be loaded there', (name) => {
    for (const addon of ['session', 'fused']) checkAddon(name, join(prebuiltDir(name)!, `${addon}.node`));
  });

  it.runIf(engineReady() && prebuiltDir(platform))('have the ops that this machine has when it compiles them', () => {
    const { ops, libraries } = tensorflowFiles()!;
    const [here, there] = [ops[0], join(prebuiltDir(platform)!, 'fused.node')].map((file) => {
      const script = `console.log(JSON.stringify(require(process.argv[1]).register(JSON.parse(process.argv[2]))))`;
      const child = spawnSync(process.execPath, ['-e', script, file, JSON.stringify(libraries)], { encoding: 'utf8' });
      return JSON.parse(child.stdout);
    });
    expect(there).toEqual(here);
  });
});
