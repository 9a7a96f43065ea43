import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeState } from '../../bin/setup/describe.mjs';
import { setupEngine } from '../../bin/setup/engine.mjs';
import { cacheDir, engineDir, failureFile, lastFailure, prebuiltDir, tensorflowDir } from '../../bin/setup/paths.mjs';
import { cacheDir as cacheDirOfSource } from '../../src/core/cache-dir.js';
import { tmpDir } from '../helpers/tmp.js';

const saved = { ...process.env };
/** TensorFlow's folder in the cache of this user. */
const tensorflow = tensorflowDir();
const linuxX64 = process.platform === 'linux' && process.arch === 'x64';

/** A folder with these programs in it, to be the whole of PATH. */
function pathWith(programs: Record<string, string>): string {
  const folder = tmpDir();
  for (const [name, script] of Object.entries(programs)) writeFileSync(join(folder, name), script, { mode: 0o755 });
  return folder;
}

beforeEach(() => {
  process.env.YOLO_CACHE = join(tmpDir(), 'not-there-yet');
});
afterEach(() => {
  process.env = { ...saved };
});

describe('where the engine lies', () => {
  it('is the same for the set-up and for the code that loads it', () => {
    expect(cacheDirOfSource()).toBe(cacheDir());
    expect(engineDir().startsWith(process.env.YOLO_CACHE!)).toBe(true);
  });
});

describe('set-up of the engine', () => {
  it('that is there does nothing', async () => {
    mkdirSync(engineDir(), { recursive: true });
    writeFileSync(join(engineDir(), 'engine.json'), '{}');
    process.env.PATH = '';
    expect(await setupEngine()).toEqual({ ready: true, changed: false });
    expect(readdirSync(cacheDir())).toEqual([basename(engineDir())]);
  });

  it.runIf(linuxX64 && !prebuiltDir())(
    'without a compiler says so, keeps the reason, and downloads nothing',
    async () => {
      process.env.PATH = '';
      const state = await setupEngine();
      expect(state).toMatchObject({ ready: false, why: 'no C++ compiler (g++, c++ or clang++) was found' });
      expect(describeState(state)).toMatch(
        /^Engine: WebAssembly .*because no C\+\+ compiler .* Faster: install one .*\.$/,
      );
      expect(lastFailure()).toMatchObject({ why: state.why, faster: state.faster });
      expect(readdirSync(cacheDir())).toEqual([basename(failureFile())]);
    },
  );

  it.runIf(linuxX64)('with a pip that fails says what it said', async () => {
    const pip =
      '#!/bin/sh\ncase "$*" in *--version*) exit 0;; esac\necho "ERROR: no matching distribution" >&2\nexit 1\n';
    process.env.PATH = pathWith({ 'g++': '#!/bin/sh\n', python3: pip });
    const state = await setupEngine();
    expect(state.ready).toBe(false);
    expect(state.why).toMatch(/pip could not download tensorflow-cpu .*: ERROR: no matching distribution/);
  });

  it.runIf(linuxX64)('with a pip that delivers another file refuses it', async () => {
    // Writes a small file of the right name into the folder behind -d.
    const pip =
      '#!/bin/sh\ncase "$*" in *--version*) exit 0;; esac\nwhile [ "$1" != -d ]; do shift; done\n' +
      'echo tampered > "$2/tensorflow_cpu-2.21.0-cp311-cp311-manylinux_2_27_x86_64.whl"\n';
    process.env.PATH = pathWith({ 'g++': '#!/bin/sh\n', python3: pip });
    const state = await setupEngine();
    expect(state.why).toMatch(/not the file that was expected \(9 bytes instead of \d+\)/);
    expect(readdirSync(cacheDir()).some((name) => /^(tmp-|tensorflow-|setup\.lock)/.test(name))).toBe(false);
    expect(readdirSync(join(cacheDir(), 'downloads'))).toEqual([]);
  });

  it.runIf(linuxX64)('without pip names the file that can be given by hand', async () => {
    process.env.PATH = pathWith({ 'g++': '#!/bin/sh\n' });
    const state = await setupEngine();
    expect(state.why).toBe('pip, which downloads TensorFlow, was not found');
    expect(state.faster).toContain('YOLO_TF_WHEEL');
  });

  it.runIf(linuxX64 && existsSync(tensorflow))(
    'with a compiler that fails says what it said, in one line',
    async () => {
      mkdirSync(cacheDir(), { recursive: true });
      symlinkSync(tensorflow, tensorflowDir());
      const compiler =
        '#!/bin/sh\ncase "$*" in *native/session/*) echo "session.cc:3:1: error: so it is" >&2; exit 1;; esac\n';
      process.env.PATH = `${pathWith({ 'g++': compiler })}:/bin:/usr/bin`;
      const state = await setupEngine();
      expect(state).toMatchObject({ ready: false, faster: expect.stringMatching(/^report this, then run /) });
      expect(state.why).toMatch(/^\S+g\+\+ could not compile the addon: session\.cc:3:1: error: so it is$/);
      expect(readdirSync(cacheDir()).sort()).toEqual([basename(failureFile()), basename(tensorflow)].sort());
    },
  );

  it('in a cache that is no folder says so instead of failing', async () => {
    const file = join(tmpDir(), 'file');
    writeFileSync(file, '');
    process.env.YOLO_CACHE = join(file, 'cache');
    process.env.PATH = pathWith({ 'g++': '#!/bin/sh\n' });
    const state = await setupEngine();
    expect(state.ready).toBe(false);
    if (linuxX64) expect(state.why).toMatch(/cannot be written \(ENOTDIR\)/);
  });

  it('does not try again what failed lately, unless it is asked for', async () => {
    mkdirSync(cacheDir(), { recursive: true });
    writeFileSync(failureFile(), JSON.stringify({ why: 'of the weather', faster: 'wait', at: Date.now() }));
    process.env.PATH = '';
    expect((await setupEngine({ retry: false })).why).toBe('of the weather');
    expect((await setupEngine({ retry: true })).why).not.toBe('of the weather');
    const old = Date.now() - 2 * 24 * 3600 * 1000;
    writeFileSync(failureFile(), JSON.stringify({ why: 'of the weather', faster: 'wait', at: old }));
    expect((await setupEngine({ retry: false })).why).not.toBe('of the weather');
  });

  it('takes a link for an engine of another version as none', async () => {
    mkdirSync(join(cacheDir(), 'other'), { recursive: true });
    symlinkSync('other', engineDir());
    process.env.PATH = '';
    expect((await setupEngine()).ready).toBe(false);
    expect(readFileSync(failureFile(), 'utf8')).toContain('"why"');
  });
});
