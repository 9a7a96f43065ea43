import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { gpuFailureFile, gpuLibraries, isGpuPlatform } from '../../bin/setup/gpu-paths.mjs';
import { engineDir, engineReady, tensorflowDir } from '../../bin/setup/paths.mjs';
import { findProgram } from '../../bin/setup/process.mjs';
import { tmpDir } from '../helpers/tmp.js';

/**
 * NVIDIA's driver as far as it is asked before TensorFlow is loaded, with answers from the environment: what a GPU does is
 * not tried here, what is said of one is.
 */
const DRIVER = `
#include <stdlib.h>
#include <string.h>
static int number(const char* name) { const char* text = getenv(name); return text ? atoi(text) : 0; }
int cuInit(unsigned flags) { return number("STANDIN_ERROR"); }
int cuDriverGetVersion(int* version) { *version = number("STANDIN_CUDA"); return 0; }
int cuDeviceGetCount(int* count) { *count = strcmp(getenv("CUDA_VISIBLE_DEVICES"), "5") ? 1 : 0; return 0; }
int cuDeviceGet(int* device, int index) { *device = index; return 0; }
int cuDeviceGetName(char* name, int length, int device) { strcpy(name, "Stand-in"); return 0; }
int cuDeviceTotalMem_v2(size_t* bytes, int device) { *bytes = 8ull << 30; return 0; }
int cuDeviceGetAttribute(int* value, int key, int device) {
  int capability = number("STANDIN_CAPABILITY");
  *value = key == 75 ? capability / 10 : capability % 10;
  return 0;
}
int cuGetErrorString(int error, const char** text) { *text = "in words"; return 0; }
`;

/** In the place of a library of NVIDIA's: writes down what it is told. */
const LIBRARY = `
#include <stdio.h>
#include <stdlib.h>
static const char* value(const char* name) { const char* text = getenv(name); return text ? text : "unset"; }
__attribute__((constructor)) static void say(void) {
  FILE* log = getenv("STANDIN_LOG") ? fopen(getenv("STANDIN_LOG"), "w") : NULL;
  if (!log) return;
  fprintf(log, "bits=%s tf32=%s growth=%s gpu=%s", value("TF_DETERMINISTIC_OPS"), value("NVIDIA_TF32_OVERRIDE"),
          value("TF_FORCE_GPU_ALLOW_GROWTH"), value("CUDA_VISIBLE_DEVICES"));
  fclose(log);
}
`;

const saved = { ...process.env };
const folders = { driver: '', cache: '' };

/** A cache with the CPU engine; of the GPU engine's libraries the first is a stand-in, and the others are none. */
function makeCache(): string {
  const real = [engineDir(), tensorflowDir()];
  process.env.YOLO_CACHE = tmpDir();
  const [cache, libraries] = [process.env.YOLO_CACHE, gpuLibraries()];
  for (const folder of real) symlinkSync(folder, join(cache, basename(folder)));
  for (const file of [...libraries, join(dirname(dirname(libraries.at(-1)!)), 'gpu.json')]) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '{}');
  }
  compile(LIBRARY, libraries[0]);
  process.env = { ...saved };
  return cache;
}

/** Runs a script in a process of its own, whose driver is the stand-in. */
function run(script: string, env: Record<string, string | undefined>) {
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: {
      ...saved,
      CUDA_VISIBLE_DEVICES: undefined,
      LD_LIBRARY_PATH: folders.driver,
      YOLO_CACHE: folders.cache,
      STANDIN_CUDA: '12080',
      STANDIN_CAPABILITY: '86',
      ...env,
    },
  });
}

function ask(env: Record<string, string | undefined>, index = 0) {
  const script = `
    const { findGpu } = await import(${JSON.stringify(new URL('../../dist/backend/gpu.js', import.meta.url).href)});
    console.log(JSON.stringify([findGpu(${index}), process.env.CUDA_VISIBLE_DEVICES, findGpu(${index + 1})]));`;
  const { stdout, stderr } = run(script, env);
  if (!stdout) throw new Error(stderr);
  const [gpu, visible, other] = JSON.parse(stdout);
  return { gpu, visible, other };
}

function compile(source: string, library: string): void {
  const options = ['-x', 'c', '-shared', '-fPIC', '-o', library, '-'];
  expect(spawnSync(compiler!, options, { input: source }).status).toBe(0);
}

const compiler = findProgram('gcc', 'cc', 'clang', 'g++', 'c++');

describe.runIf(isGpuPlatform() && engineReady() && compiler)('GPUs, by what the driver says', () => {
  beforeAll(() => {
    folders.driver = tmpDir();
    compile(DRIVER, join(folders.driver, 'libcuda.so.1'));
    folders.cache = makeCache();
  });

  it('one that can be used; the process then stays with it', () => {
    const { gpu, visible, other } = ask({});
    expect(gpu).toEqual({ index: 0, name: 'Stand-in', memory: 2 ** 33, capability: 86, cuda: 12080 });
    expect(visible).toBe('0');
    expect(other.why).toBe('this process computes on GPU 0 already');
  });

  it.each([
    ['an old driver', { STANDIN_CUDA: '11040' }, /driver for CUDA 11\.4 is too old: 525\.60\.13 or newer .*CUDA 12\.0/],
    ['a driver that does not start', { STANDIN_ERROR: '803' }, /does not start: in words \(error 803\)/],
    ['no GPU at all', { STANDIN_ERROR: '100' }, /shows this process no GPU 0/],
    [
      'a GPU of before 2016',
      { STANDIN_CAPABILITY: '52' },
      /no kernels for the Stand-in \(compute capability 5\.2\): .* 6\.0/,
    ],
    [
      'one whose kernels are compiled, with a driver too old for that',
      { STANDIN_CAPABILITY: '90', STANDIN_CUDA: '12020' },
      /compile kernels for the Stand-in .* knows CUDA 12\.2, 12\.5 is needed/,
    ],
    ['one that the user hides', { CUDA_VISIBLE_DEVICES: '' }, /CUDA_VISIBLE_DEVICES= leaves no GPU/],
    ['no driver', { LD_LIBRARY_PATH: '/nowhere' }, /this machine shows no NVIDIA driver|does not start|no GPU|too old/],
  ])('%s: says why not, and what to do', (_, env, why) => {
    const { gpu } = ask(env);
    expect(gpu.why).toMatch(why);
    expect(gpu.remedy.length).toBeGreaterThan(5);
  });

  it('a number that is not there', () => {
    expect(ask({}, 5).gpu.why).toMatch(/^the NVIDIA driver shows this process no GPU 5/);
    expect(ask({ CUDA_VISIBLE_DEVICES: '2,3' }, 7).gpu.why).toBe('CUDA_VISIBLE_DEVICES=2,3 leaves 2, numbered from 0');
  });

  it('numbers count within CUDA_VISIBLE_DEVICES', () => {
    expect(ask({ CUDA_VISIBLE_DEVICES: '2,3' }, 1)).toMatchObject({ gpu: { index: 1 }, visible: '3' });
  });

  it.each([
    [90, undefined],
    [120, /was not built for the Stand-in \(compute capability 12\)/],
  ])('compute capability %i comes with the caution %s', (capability, caution) => {
    const { gpu } = ask({ STANDIN_CAPABILITY: String(capability) });
    if (caution) expect(gpu.caution).toMatch(caution);
    else expect(gpu).not.toHaveProperty('caution');
  });

  it.each([
    [{ deterministic: true, tf32: false }, 'bits=1 tf32=0 growth=true gpu=0'],
    [{ deterministic: false, tf32: true }, 'bits=unset tf32=unset growth=true gpu=0'],
  ])('%j is what the libraries see when they are loaded, and nobody after it failed', (options, expected) => {
    const log = join(tmpDir(), 'log');
    const script = `
      const { selectEngine } = await import(${JSON.stringify(new URL('../../dist/backend/select-engine.js', import.meta.url).href)});
      const refused = await selectEngine({ device: 0, ...${JSON.stringify(options)} }).catch(({ message }) => message);
      const { TF_DETERMINISTIC_OPS: bits, NVIDIA_TF32_OVERRIDE: tf32 } = process.env;
      console.log(JSON.stringify([refused, bits, tf32]));`;
    const [refused, ...left] = JSON.parse(run(script, { STANDIN_LOG: log }).stdout);
    expect(refused).toMatch(/^device=0: the GPU engine does not load/); // the second library is none
    expect(readFileSync(log, 'utf8')).toBe(expected);
    expect(left).toEqual([null, null]);
  });

  it.each([
    ['cpu', {}, /^TensorFlow [\d.]+ \(CPU/, undefined],
    ['auto', {}, /^TensorFlow [\d.]+ \(CPU/, /^the GPU is not used: the GPU engine does not load: /],
    ['auto', { CUDA_VISIBLE_DEVICES: '-1' }, /^TensorFlow [\d.]+ \(CPU/, undefined],
    ['auto', { STANDIN_CAPABILITY: '120' }, /^TensorFlow [\d.]+ \(CPU/, /^the GPU is not used: .* was not built for/],
  ])('device=%s with %j computes on the CPU', (device, env, description, why) => {
    const script = `
      import { readFileSync } from 'node:fs';
      const { selectEngine } = await import(${JSON.stringify(new URL('../../dist/backend/select-engine.js', import.meta.url).href)});
      const engine = await selectEngine({ device: ${JSON.stringify(device)} });
      const touched = /libcuda|tensorflow-cuda/.test(readFileSync('/proc/self/maps', 'utf8'));
      console.log(JSON.stringify([engine, touched]));`;
    const { stdout, stderr } = run(script, env);
    const [engine, touched] = JSON.parse(stdout);
    expect(engine.description).toMatch(description);
    if (why) expect(engine.why).toMatch(why);
    else expect([engine, touched]).toEqual([expect.not.objectContaining({ why: expect.anything() }), false]);
    expect(stderr).toBe('');
  });

  it('without the GPU engine: not set up, or why the set-up failed', () => {
    const cache = tmpDir();
    expect(ask({ YOLO_CACHE: cache }).gpu).toEqual({
      why: 'the GPU engine is not set up',
      remedy: 'run "npm run setup -- --gpu" (3.3 GB to download)',
    });
    process.env.YOLO_CACHE = cache;
    writeFileSync(gpuFailureFile(), JSON.stringify({ why: 'the disk was full', faster: 'make room', at: 0 }));
    process.env = { ...saved };
    expect(ask({ YOLO_CACHE: cache }).gpu.why).toBe('the GPU engine could not be set up: the disk was full');
  });

  it('with a library missing names it', () => {
    process.env.YOLO_CACHE = folders.cache;
    const missing = gpuLibraries()[4];
    process.env = { ...saved };
    spawnSync('mv', [missing, `${missing}.away`]);
    expect(ask({}).gpu.why).toMatch(
      /^the library libcupti\.so\.12 of the GPU engine is missing|^the library lib\S+ of/,
    );
    spawnSync('mv', [`${missing}.away`, missing]);
  });
});
