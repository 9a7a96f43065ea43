import { expect, it } from 'vitest';
import { naturalOrder } from '../../src/core/natural-order.js';

it.each([
  [['frame_2.jpg', 'frame_10.jpg', 'frame_100.jpg']],
  [['a', 'a1', 'a1b', 'a1b2', 'a2', 'b1']],
  [
    ['0.jpg', '00.jpg', '1.jpg', '001.jpg', '002.jpg', '10.jpg'].sort(
      (a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1),
    ),
  ],
  [['12345678901234567890.jpg', '12345678901234567891.jpg', '123456789012345678901.jpg']],
  [['B.jpg', 'a.jpg', 'é.jpg']],
  [['d1/f2', 'd1/f10', 'd2/f1', 'd10/f1']],
])('%j is in order, however it was mixed', (names) => {
  expect([...names].reverse().sort(naturalOrder)).toEqual(names);
  expect([...names].sort().sort(naturalOrder)).toEqual(names);
});
