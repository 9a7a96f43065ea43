import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isOlder } from '../../bin/setup/driver.mjs';
import { describeDownload, noGpuReason, setupGpu } from '../../bin/setup/gpu.mjs';
import { gpuDir, gpuLibraries, gpuPins, gpuReady, isGpuPlatform, lastGpuFailure } from '../../bin/setup/gpu-paths.mjs';
import { cacheDir, engineDir } from '../../bin/setup/paths.mjs';
import { tmpDir } from '../helpers/tmp.js';

const saved = { ...process.env };
const OFFER = new URL('../../bin/setup/offer-gpu.mjs', import.meta.url).href;

/** PATH with a pip that notes what it was asked for, then does what `script` says. */
function pip(script: string): { asked(): string[] } {
  const folder = tmpDir();
  const log = join(folder, 'asked');
  writeFileSync(log, '');
  const text = `#!/bin/sh\ncase "$*" in *--version*) exit 0;; esac\nfor last; do :; done\necho "$last" >> ${log}\n${script}\n`;
  writeFileSync(join(folder, 'python3'), text, { mode: 0o755 });
  process.env.PATH = `${folder}:/usr/bin:/bin`;
  return { asked: () => readFileSync(log, 'utf8').trim().split('\n') };
}

const FAILS = 'echo "ERROR: no matching distribution" >&2; exit 1';

/** Puts small files in place of what a wheel holds, with what the set-up notes of them. */
function pretend(index: number): string[] {
  const { libraries, files = [], sha256 } = gpuPins.wheels[index];
  const names = [...libraries, ...files];
  for (const name of names) {
    mkdirSync(dirname(join(gpuDir(), name)), { recursive: true });
    writeFileSync(join(gpuDir(), name), 'content');
  }
  const folder = names[0].split('/').slice(0, names[0].startsWith('nvidia') ? 2 : 1);
  const sizes = Object.fromEntries(names.map((name) => [name, 7]));
  writeFileSync(join(gpuDir(), ...folder, 'wheel.json'), JSON.stringify({ sha256, files: sizes }));
  return names;
}

beforeEach(() => {
  process.env.YOLO_CACHE = tmpDir();
  mkdirSync(engineDir(), { recursive: true });
  writeFileSync(join(engineDir(), 'engine.json'), '{}');
});
afterEach(() => {
  process.env = { ...saved };
});

describe('what the GPU engine is made of', () => {
  it('TensorFlow for CUDA and the twelve packages of its extra, each file once', () => {
    expect(gpuPins.wheels.map((pin) => pin.package).filter((name) => name.startsWith('nvidia-'))).toHaveLength(12);
    expect(new Set(gpuLibraries()).size).toBe(gpuLibraries().length);
    expect(gpuLibraries().at(-1)).toMatch(/tensorflow\/libtensorflow_cc\.so\.2$/);
    for (const { sha256, bytes, file } of gpuPins.wheels) {
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
      expect(bytes).toBeGreaterThan(1e6);
      expect(file).toMatch(/x86_64\.whl$/);
    }
  });
});

describe.runIf(isGpuPlatform())('set-up of the GPU engine', () => {
  it('says what it fetches and how large that is', () => {
    expect(describeDownload()).toMatch(/^13 packages .*3\.3 GB to download, 5\.1 GB in /);
    pretend(0);
    expect(describeDownload()).toMatch(/^12 packages /);
  });

  it('without the native engine is refused', async () => {
    process.env.YOLO_CACHE = tmpDir();
    expect((await setupGpu()).why).toMatch(/^the native engine, which it extends, is not installed/);
  });

  it('with a pip that fails says what it said, and leaves nothing that looks finished', async () => {
    pip(FAILS);
    const state = await setupGpu();
    expect(state).toMatchObject({ ready: false, changed: false });
    expect(state.why).toMatch(/^pip could not download \S+ \S+: ERROR: no matching distribution$/);
    expect(state.faster).toContain('run "npm run setup -- --gpu" again');
    expect(lastGpuFailure()).toMatchObject({ why: state.why });
    expect(gpuReady()).toBe(false);
    expect(readdirSync(cacheDir()).filter((name) => /^tmp-|lock/.test(name))).toEqual([]);
  });

  it('with a pip that delivers another file refuses it', async () => {
    pip(`while [ "$1" != -d ]; do shift; done; echo tampered > "$2/${gpuPins.wheels[0].file}"`);
    expect((await setupGpu()).why).toMatch(/not the file that was expected \(9 bytes instead of \d+\)/);
    expect(readdirSync(cacheDir()).filter((name) => name.startsWith('tmp-'))).toEqual([]);
  });

  it('goes on with what is missing, and fetches anew what was damaged', async () => {
    for (const i of gpuPins.wheels.keys()) if (i !== 3) pretend(i);
    const [name] = pretend(5);
    writeFileSync(join(gpuDir(), name), 'cut');
    const first = pip(FAILS);
    await setupGpu();
    expect(first.asked()).toEqual([`${gpuPins.wheels[3].package}==${gpuPins.wheels[3].version}`]);
    pretend(3);
    const second = pip(FAILS);
    await setupGpu();
    expect(second.asked()).toEqual([`${gpuPins.wheels[5].package}==${gpuPins.wheels[5].version}`]);
  });

  it('without pip says how to get it', async () => {
    process.env.PATH = tmpDir();
    expect(await setupGpu()).toMatchObject({ why: 'pip, which downloads TensorFlow, was not found' });
  });
});

describe('the driver', () => {
  it.each([
    ['525.60.13', '525.60.13', false],
    ['470.256.02', '525.60.13', true],
    ['525.60', '525.60.13', true],
    ['1000.1', '525.60.13', false],
  ])('%s is older than %s: %s', (version, than, older) => expect(isOlder(version, than)).toBe(older));

  it.runIf(isGpuPlatform())('is seen by its library where the kernel tells nothing', () => {
    const folder = tmpDir();
    process.env.LD_LIBRARY_PATH = `/nowhere:${folder}`;
    const before = noGpuReason();
    writeFileSync(join(folder, 'libcuda.so.1'), '');
    expect([undefined, 'this machine shows no NVIDIA driver']).toContain(before);
    expect(noGpuReason()).toBe(undefined);
  });

  it.runIf(isGpuPlatform())('makes the set-up offer the GPU engine: size first, then how to skip it', () => {
    const folder = tmpDir();
    writeFileSync(join(folder, 'libcuda.so.1'), '');
    pip(FAILS);
    const { stderr, status } = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', `await (await import(${JSON.stringify(OFFER)})).offerGpu();`],
      {
        encoding: 'utf8',
        cwd: fileURLToPath(new URL('../..', import.meta.url)),
        env: { ...process.env, LD_LIBRARY_PATH: folder },
      },
    );
    expect(stderr).toMatch(
      /^An NVIDIA driver was found\..*3\.3 GB to download.*\n.*to skip it: npm run setup -- --cpu\n/,
    );
    expect(stderr).toMatch(/\nThe GPU engine is not installed: pip could not download .*\. Remedy: .*\.\n$/);
    expect(status).toBe(0);
  });
});
