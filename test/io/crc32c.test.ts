import { describe, expect, it } from 'vitest';
import { crc32c, maskedCrc32c } from '../../src/io/crc32c.js';

describe('CRC-32C', () => {
  it('gives the values of RFC 3720, appendix B.4', () => {
    const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(ascending)).toBe(0x46dd794e);
    expect(crc32c(ascending.toReversed())).toBe(0x113fdb5c);
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  });

  it('goes on over pieces of any length', () => {
    const bytes = Uint8Array.from({ length: 50 }, (_, i) => (i * 37) & 255);
    for (const cut of [0, 1, 7, 8, 9, 33, 50])
      expect(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)))).toBe(crc32c(bytes));
  });

  it('masked: rotated by 15 bits, plus a constant, as LevelDB has it', () => {
    const masked = maskedCrc32c(Buffer.from('12345'), Buffer.from('6789'));
    const rotated = (masked - 0xa282ead8) >>> 0;
    expect(((rotated >>> 17) | (rotated << 15)) >>> 0).toBe(0xe3069283);
  });
});
