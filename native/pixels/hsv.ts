// Gains of hue, saturation and value in OpenCV's 8-bit HSV: src/data/augment/hsv.ts says how. Four pixels at a time, in
// float32, which holds all integers of this arithmetic exactly.

/** Four pixels of 3 bytes; byte 0, 1 or 2 of each as int32. */
const RED = i8x16(0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1);
const GREEN = i8x16(1, -1, -1, -1, 4, -1, -1, -1, 7, -1, -1, -1, 10, -1, -1, -1);
const BLUE = i8x16(2, -1, -1, -1, 5, -1, -1, -1, 8, -1, -1, -1, 11, -1, -1, -1);
/** Back from int32 r | g << 8 | b << 16. */
const PACKED = i8x16(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);

/** 1 in OpenCV's fixed point. */
const ONE: f32 = 4096;
const HUES: f32 = 180;
const SECTOR: f32 = 30;
/** Fraction bits of HSV → RGB. */
const FRACTION_BITS = 23;
/** OpenCV 5 truncates in HSV → RGB: the subtrahend is rounded up, except for the rounding error of its factor. */
const ROUND_UP = (1 << FRACTION_BITS) - (1 << 16);

/**
 * @param pixels RGB, changed in place; bytes after them up to a multiple of 4 pixels are changed, 4 more are read
 * @param n number of pixels
 * @param shift of the hue, 0..179
 */
export function hsv(pixels: usize, n: i32, shift: f32, saturation: f32, value: f32): void {
  for (let end = pixels + 3 * n; pixels < end; pixels += 12) {
    const bytes = v128.load(pixels);
    const r = f32x4.convert_i32x4_s(i8x16.swizzle(bytes, RED));
    const g = f32x4.convert_i32x4_s(i8x16.swizzle(bytes, GREEN));
    const b = f32x4.convert_i32x4_s(i8x16.swizzle(bytes, BLUE));
    const high = f32x4.pmax(f32x4.pmax(r, g), b);
    const diff = f32x4.sub(high, f32x4.pmin(f32x4.pmin(r, g), b));
    // The hue before its shift, −30..150, in steps of two degrees.
    const twice = f32x4.add(diff, diff);
    const notRed = v128.bitselect(
      f32x4.add(f32x4.sub(b, r), twice),
      f32x4.add(f32x4.sub(r, g), f32x4.add(twice, twice)),
      f32x4.eq(g, high),
    );
    const scaledHue = v128.bitselect(f32x4.sub(g, b), notRed, f32x4.eq(r, high));
    const hue = within(f32x4.add(divided(scaledHue, diff, 30 * ONE), f32x4.splat(shift)));
    const v = gained(high, value);
    const vs = integers(f32x4.mul(v, gained(divided(diff, high, 255 * ONE), saturation)));
    const top = integers(v);
    // The distance from the nearest hue at which the channel is largest, less half of the range where it is.
    const red = i32x4.sub(top, subtrahend(vs, f32x4.sub(f32x4.splat(2 * SECTOR), away(hue, 3 * SECTOR))));
    const green = i32x4.sub(top, subtrahend(vs, f32x4.sub(away(hue, 2 * SECTOR), f32x4.splat(SECTOR))));
    const blue = i32x4.sub(top, subtrahend(vs, f32x4.sub(away(hue, 4 * SECTOR), f32x4.splat(SECTOR))));
    const packed = v128.or(v128.or(red, i32x4.shl(green, 8)), i32x4.shl(blue, 16));
    const out = i8x16.swizzle(packed, PACKED);
    v128.store64_lane(pixels, out, 0);
    v128.store32_lane(pixels, out, 2, 8);
  }
}

/** x / y in OpenCV's fixed point: x times the rounded quotient of `one` and y, rounded; 0 for y = 0, where x is 0, too. */
function divided(x: v128, y: v128, one: f32): v128 {
  const inverse = f32x4.nearest(f32x4.div(f32x4.splat(one), f32x4.pmax(y, f32x4.splat(1))));
  const rounded = f32x4.add(f32x4.mul(x, inverse), f32x4.splat(ONE / 2));
  return f32x4.floor(f32x4.mul(rounded, f32x4.splat(1 / ONE)));
}

function gained(x: v128, gain: f32): v128 {
  return f32x4.floor(f32x4.pmin(f32x4.mul(x, f32x4.splat(gain)), f32x4.splat(255)));
}

/** A hue of −180..359 as one of 0..179. */
function within(hue: v128): v128 {
  const hues = f32x4.splat(HUES);
  const raised = f32x4.add(hue, v128.and(f32x4.lt(hue, f32x4.splat(0)), hues));
  return f32x4.sub(raised, v128.and(f32x4.ge(raised, hues), hues));
}

function away(hue: v128, from: f32): v128 {
  return f32x4.abs(f32x4.sub(hue, f32x4.splat(from)));
}

/** V·S·k/255, where k is a distance of hues in sectors, limited to 0..1. */
function subtrahend(vs: v128, distance: v128): v128 {
  const limited = f32x4.pmin(f32x4.pmax(distance, f32x4.splat(0)), f32x4.splat(SECTOR));
  const factor = f32x4.mul(limited, f32x4.splat(<f32>(1 << FRACTION_BITS) / SECTOR / 255));
  return i32x4.shr_s(i32x4.add(i32x4.mul(vs, integers(factor)), i32x4.splat(ROUND_UP)), FRACTION_BITS);
}

/** Of values of 0..2^23: as int32, rounded to the nearest. */
function integers(x: v128): v128 {
  const one: f32 = 8388608; // from here on the last bit of a float32 is 1
  return i32x4.sub(f32x4.add(x, f32x4.splat(one)), f32x4.splat(one));
}
