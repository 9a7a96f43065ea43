/**
 * Random numbers as a function of a key. `rng(seed, epoch, image)` always gives the same stream, on any machine and
 * regardless of other streams: training does not depend on the number of workers and can be resumed exactly.
 * Generator: sfc32 (Chris Doty-Humphrey, PractRand), seeded by hashing the keys with murmur3's 32-bit finaliser.
 */

/** A stream of random numbers. */
export interface Rng {
  /** Uniform in [0, 1), 32 bits. */
  next(): number;
  /** Uniform in [low, high). */
  uniform(low: number, high: number): number;
  /** Integer, uniform in [0, n). */
  int(n: number): number;
  /** Standard normal (Box-Muller). */
  normal(): number;
  /** Beta(a, b) for a, b > 0 (two gamma draws, Marsaglia and Tsang 2000). */
  beta(a: number, b: number): number;
  /** Fisher-Yates, in place; returns its argument. */
  shuffle<T extends { length: number; [i: number]: unknown }>(list: T): T;
}

function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** 32-bit hash of a string (FNV-1a with murmur3's finaliser), for keys that are names. */
export function hashString(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return mix(h);
}

/** @param keys integers; their low 64 bits are used @returns the stream of random numbers of these keys */
export function rng(...keys: number[]): Rng {
  const s = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 1];
  for (const key of keys) {
    for (const word of [key >>> 0, Math.floor(key / 4294967296) >>> 0]) {
      for (let i = 0; i < 3; i++) s[i] = mix(s[i] ^ Math.imul(word + i * 0x9e3779b9 + 1, 0x27d4eb2f) ^ s[(i + 1) % 3]);
    }
  }
  let [a, b, c, d] = s;
  const bits = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 12; i++) bits();
  const next = (): number => bits() / 4294967296;
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const gamma = (shape: number): number => {
    if (shape < 1) return gamma(shape + 1) * (1 - next()) ** (1 / shape);
    const k = shape - 1 / 3;
    const q = 1 / Math.sqrt(9 * k);
    for (;;) {
      const x = normal();
      const v = (1 + q * x) ** 3;
      if (v > 0 && Math.log(1 - next()) < 0.5 * x * x + k - k * v + k * Math.log(v)) return k * v;
    }
  };
  const int = (n: number): number => Math.floor(next() * n);
  return {
    next,
    uniform: (low, high) => low + (high - low) * next(),
    int,
    normal,
    beta(alpha, beta) {
      const x = gamma(alpha);
      return x / (x + gamma(beta));
    },
    shuffle(list) {
      for (let i = list.length - 1; i > 0; i--) {
        const j = int(i + 1);
        const t = list[i];
        list[i] = list[j];
        list[j] = t;
      }
      return list;
    },
  };
}
