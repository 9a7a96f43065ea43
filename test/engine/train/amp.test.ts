import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { hasAmx, hasBfloat16, lacksBfloat16 } from '../../../src/backend/bfloat16.js';
import type { Gpu } from '../../../src/backend/gpu.js';
import { log } from '../../../src/core/log.js';
import { checkAmp, chooseAmp } from '../../../src/engine/train/amp.js';
import { loadTensorflow } from '../../../src/graph/tensorflow.js';
import { native } from '../../helpers/native.js';
import { runCli } from '../../helpers/run-cli.js';
import { writeLeastModel, writeTinyData } from '../../helpers/tiny-data.js';
import { tmpDir } from '../../helpers/tmp.js';

beforeAll(native);

describe('bfloat16 instructions', () => {
  it.each([
    ['flags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16 amx_tile', true, true],
    ['flags\t\t: fpu avx2 avx512f avx512_bf16 amx_tile', true, false],
    ['flags\t\t: fpu avx2 avx512f avx512_vnni', false, false],
    ['Features\t: fp asimd bf16 i8mm', true, false],
    ['Features\t: fp asimd', false, false],
    ['', false, false],
  ])('%j: %s, AMX: %s', (text, has, amx) => {
    expect([hasBfloat16({}, text), hasAmx({}, text)]).toEqual([has, amx]);
    expect(lacksBfloat16({}, text)).toBe(text !== '' && !has);
  });

  it.each([
    [75, false],
    [80, true],
    [90, true],
  ])('a GPU of capability %i: %s', (capability, has) => {
    const gpu = { capability } as Gpu;
    expect(hasBfloat16({ gpu }, 'flags: avx512_bf16 amx_bf16')).toBe(has);
    expect(hasAmx({ gpu }, 'flags: avx512_bf16 amx_bf16')).toBe(false);
  });
});

describe('amp', () => {
  it('the check computes in both precisions: gradients differ, by no more than rounding', () => {
    const { time, difference } = checkAmp();
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(8 * 2 ** -8);
    expect(time).toBeGreaterThan(0);
  });

  it('bf16 and false are not checked; auto says what it chose', () => {
    const said: string[] = [];
    const old = log.setSink({ write: (_, text) => said.push(text) });
    try {
      expect([chooseAmp('bf16', {}), chooseAmp(false, {})]).toEqual([true, false]);
      const chosen = chooseAmp('auto', {});
      expect(said.at(-1)).toContain(chosen ? 'amp=auto: bfloat16 (' : 'amp=auto: float32 (');
      if (hasAmx({})) expect(said.at(-1)).toBe('amp=auto: bfloat16 (this processor has AMX, and gradients agree)');
    } finally {
      log.setSink(old);
    }
  });

  it('the result of the check is kept, so that equal runs choose the same', ({ skip }) => {
    if (!hasBfloat16({})) skip('the processor has no bfloat16 instructions');
    const folder = dirname(loadTensorflow().session);
    const kept = () => readdirSync(folder).filter((name) => /^amp-\w+\.json$/.test(name));
    const before = kept();
    const old = log.setSink({ write: () => {} });
    process.env.ONEDNN_MAX_CPU_ISA = `test ${process.pid}`; // a key of its own
    try {
      chooseAmp('auto', {});
      const [file] = kept().filter((name) => !before.includes(name));
      writeFileSync(join(folder, file), '{"time":0.1,"difference":0}');
      expect(chooseAmp('auto', {})).toBe(true);
      writeFileSync(join(folder, file), '{"time":9,"difference":0}');
      expect(chooseAmp('auto', {})).toBe(false);
      writeFileSync(join(folder, file), 'broken');
      expect(() => chooseAmp('auto', {})).not.toThrow();
      rmSync(join(folder, file));
    } finally {
      delete process.env.ONEDNN_MAX_CPU_ISA;
      log.setSink(old);
    }
  });

  it('through the command: args.yaml keeps what was chosen', async () => {
    const dir = tmpDir();
    const data = await writeTinyData(dir, { train: 4, val: 2 });
    const model = writeLeastModel(dir);
    const args = [`data=${data}`, `model=${model}`, 'epochs=1', 'imgsz=64', 'batch=2', 'plots=false', 'amp=bf16'];
    const { code, stderr } = await runCli(['train', ...args, `project=${dir}`, 'name=run']);
    expect(code, stderr).toBe(0);
    expect(readFileSync(join(dir, 'run/args.yaml'), 'utf8')).toMatch(/^amp: bf16$/m);
    const csv = readFileSync(join(dir, 'run/results.csv'), 'utf8').trim().split('\n');
    expect(csv[1].split(',').slice(2, 5).map(Number).every(Number.isFinite)).toBe(true);
  });
});
