/**
 * sRGB (D65) to CIE L*a*b* and back, 8 bits a channel as in OpenCV: L·255/100, a + 128, b + 128. Lookup tables make it
 * differ from exact arithmetic by at most two levels, as OpenCV's integer version does.
 */

/** Entries of the tables over 0..1. */
const STEPS = 1 << 14;
/** Linear RGB → XYZ and back (IEC 61966-2-1), and the D65 white point (0.950456, 1, 1.088754). */
const [WHITE_X, WHITE_Z] = [0.950456, 1.088754];
const TO_XYZ = [0.412453, 0.35758, 0.180423, 0.212671, 0.71516, 0.072169, 0.019334, 0.119193, 0.950227];
const FROM_XYZ = [3.240479, -1.53715, -0.498535, -0.969256, 1.875991, 0.041556, 0.055648, -0.204043, 1.057311];
/** Below this the cube root is replaced by SLOPE·t + OFFSET (CIE 15). */
const LINE_END = 0.008856;
const SLOPE = 7.787;
const OFFSET = 16 / 116;

/** Made at the first use: linear RGB of a byte, the byte of linear RGB, and the root of XYZ; the latter two of 0..1. */
interface Tables {
  linear: Float64Array;
  gamma: Uint8Array;
  root: Float64Array;
}

let made: Tables | undefined;

function tables(): Tables {
  made ??= {
    linear: Float64Array.from({ length: 256 }, (_, v) => {
      const x = v / 255;
      return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
    }),
    gamma: Uint8Array.from({ length: STEPS + 1 }, (_, i) => {
      const x = i / STEPS;
      return Math.round(255 * (x <= 0.0031308 ? x * 12.92 : 1.055 * x ** (1 / 2.4) - 0.055));
    }),
    root: Float64Array.from({ length: STEPS + 1 }, (_, i) => {
      const t = i / STEPS;
      return t > LINE_END ? Math.cbrt(t) : SLOPE * t + OFFSET;
    }),
  };
  return made;
}

const byte = (v: number): number => (v < 0 ? 0 : v > 255 ? 255 : Math.round(v));
const power = (f: number): number => (f > 0.206893 ? f * f * f : (f - OFFSET) / SLOPE);

/** @param rgb [n, 3] sRGB, 0..255 @param n number of pixels @returns [n, 3] L a b, 0..255 */
export function rgbToLab(rgb: Uint8Array, n: number): Uint8Array {
  const out = new Uint8Array(n * 3);
  const { linear, root } = tables();
  const rootOf = (t: number): number => root[Math.min(STEPS, Math.round(t * STEPS))];
  for (let i = 0; i < n * 3; i += 3) {
    const r = linear[rgb[i]];
    const g = linear[rgb[i + 1]];
    const b = linear[rgb[i + 2]];
    const fx = rootOf((TO_XYZ[0] * r + TO_XYZ[1] * g + TO_XYZ[2] * b) / WHITE_X);
    const fy = rootOf(TO_XYZ[3] * r + TO_XYZ[4] * g + TO_XYZ[5] * b);
    const fz = rootOf((TO_XYZ[6] * r + TO_XYZ[7] * g + TO_XYZ[8] * b) / WHITE_Z);
    out[i] = byte((116 * fy - 16) * 2.55);
    out[i + 1] = byte(500 * (fx - fy) + 128);
    out[i + 2] = byte(200 * (fy - fz) + 128);
  }
  return out;
}

/** @param lab [n, 3] L a b, 0..255 @param n number of pixels @param out [n, 3] receives sRGB, 0..255 */
export function labToRgb(lab: Uint8Array, n: number, out: Uint8Array): void {
  const { gamma } = tables();
  const gammaOf = (x: number): number => gamma[x < 0 ? 0 : x > 1 ? STEPS : Math.round(x * STEPS)];
  for (let i = 0; i < n * 3; i += 3) {
    const fy = (lab[i] / 2.55 + 16) / 116;
    const x = power(fy + (lab[i + 1] - 128) / 500) * WHITE_X;
    const y = power(fy);
    const z = power(fy - (lab[i + 2] - 128) / 200) * WHITE_Z;
    out[i] = gammaOf(FROM_XYZ[0] * x + FROM_XYZ[1] * y + FROM_XYZ[2] * z);
    out[i + 1] = gammaOf(FROM_XYZ[3] * x + FROM_XYZ[4] * y + FROM_XYZ[5] * z);
    out[i + 2] = gammaOf(FROM_XYZ[6] * x + FROM_XYZ[7] * y + FROM_XYZ[8] * z);
  }
}
