import { expect } from 'vitest';

export interface Arrayish {
  shape: readonly number[];
  data: ArrayLike<number>;
}

/**
 * Checks shape, then values: |got − want| ≤ atol + rtol·scale, where scale is the largest |want| of the whole array
 * (`relativeTo: 'largest'`, the default) or the |want| at that place (`'each'`).
 */
export function expectClose(
  got: Arrayish,
  want: Arrayish,
  {
    atol = 0,
    rtol = 0,
    relativeTo = 'largest',
    label = '',
  }: { atol?: number; rtol?: number; relativeTo?: 'largest' | 'each'; label?: string },
): void {
  expect([...got.shape], `${label} shape`).toEqual([...want.shape]);
  expect(got.data.length, `${label} length`).toBe(want.data.length);
  let largest = 0;
  for (let i = 0; i < want.data.length; i++) largest = Math.max(largest, Math.abs(want.data[i]));
  for (let i = 0; i < want.data.length; i++) {
    const scale = relativeTo === 'largest' ? largest : Math.abs(want.data[i]);
    const diff = Math.abs(got.data[i] - want.data[i]);
    if (!(diff <= atol + rtol * scale)) {
      expect.fail(
        `${label} differs at ${i} of ${want.data.length}: got ${got.data[i]}, want ${want.data[i]}, difference ${diff}, allowed ${atol + rtol * scale}`,
      );
    }
  }
}

/**
 * Raw outputs [B, 4 + K, A], boxes and scores apart: within the tolerance of a box's pixels a score could be anything.
 * @param rtol of the largest number of a box; `scores` absolute, 0..1, default the same number
 */
export function expectSameOutput(
  got: Arrayish,
  want: Arrayish,
  { rtol, scores = rtol, label = '' }: { rtol: number; scores?: number; label?: string },
): void {
  expect([...got.shape], `${label} shape`).toEqual([...want.shape]);
  const [batch, rows, anchors] = want.shape;
  const part = ({ data }: Arrayish, from: number, to: number): Arrayish => ({
    shape: [batch, to - from, anchors],
    data: Float64Array.from({ length: batch * (to - from) * anchors }, (_, i) => {
      const b = Math.floor(i / ((to - from) * anchors));
      return data[b * rows * anchors + from * anchors + (i % ((to - from) * anchors))];
    }),
  });
  expectClose(part(got, 0, 4), part(want, 0, 4), { rtol, label: `${label} boxes` });
  expectClose(part(got, 4, rows), part(want, 4, rows), { atol: scores, label: `${label} scores` });
}
