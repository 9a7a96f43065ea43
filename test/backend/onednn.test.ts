import { afterEach, expect, it } from 'vitest';
import { decideOnednn } from '../../src/backend/onednn.js';

const before = process.env.TF_ENABLE_ONEDNN_OPTS;
afterEach(() => {
  if (before === undefined) delete process.env.TF_ENABLE_ONEDNN_OPTS;
  else process.env.TF_ENABLE_ONEDNN_OPTS = before;
});

it.each([
  ['flags : fma avx2 bmi2', undefined, true, '1'],
  ['flags : fma avx2 avx_vnni', undefined, false, '0'],
  ['flags : fma avx2 avx_vnni', '1', false, '1'],
  ['flags : fma avx2 avx512f avx512_vnni', undefined, true, undefined],
  ['flags : sse4_1 avx', undefined, true, undefined],
  ['Features : fp asimd bf16', undefined, true, undefined],
  ['', undefined, true, undefined],
])('%j, set by the user %j, for training %s: %j', (cpuInfo, user, gains, want) => {
  if (user === undefined) delete process.env.TF_ENABLE_ONEDNN_OPTS;
  else process.env.TF_ENABLE_ONEDNN_OPTS = user;
  decideOnednn(gains, cpuInfo);
  expect(process.env.TF_ENABLE_ONEDNN_OPTS).toBe(want);
});
