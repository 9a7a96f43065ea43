/**
 * Colours of classes, from palettes for colour-blind readers: Okabe and Ito (2008), and Paul Tol's "vibrant" and "muted"
 * schemes (SRON technical note, 2021); ordered so that consecutive colours differ in lightness, too.
 */

/** 0..255 each. */
export type Rgb = readonly [red: number, green: number, blue: number];

const PALETTE: readonly string[] = [
  'EE7733',
  '0077BB',
  'F0E442',
  'CC3311',
  '33BBEE',
  'EE3377',
  '009988',
  'E69F00',
  '332288',
  '88CCEE',
  'D55E00',
  '117733',
  'CC79A7',
  'DDCC77',
  '882255',
  '44AA99',
  'CC6677',
  '999933',
  'AA4499',
  '56B4E9',
];

/** Colour of a class; colours repeat after 20 classes. */
export function classColor(cls: number): Rgb {
  const hex = PALETTE[((Math.trunc(cls) % PALETTE.length) + PALETTE.length) % PALETTE.length];
  return [0, 2, 4].map((i) => Number.parseInt(hex.slice(i, i + 2), 16)) as unknown as Rgb;
}

/** Colour of a class as `#rrggbb`. */
export function classColorHex(cls: number): string {
  return `#${PALETTE[((Math.trunc(cls) % PALETTE.length) + PALETTE.length) % PALETTE.length]}`;
}

/** Black or white, whichever has the higher contrast with the colour (WCAG 2.1, relative luminance). */
export function textColorOn(color: Rgb): Rgb {
  const [r, g, b] = color.map((v) => (v <= 10 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? [0, 0, 0] : [255, 255, 255];
}
