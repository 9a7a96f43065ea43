import type { RgbImage } from '../../src/core/types.js';
import { textOutline } from '../../src/render/glyphs.js';

/** A text that an SVG draws with the shipped outlines: its font size, where it is anchored, its turn. */
export interface DrawnText {
  size: number;
  x: number;
  y: number;
  rotate: number;
}

/** Where an SVG writes this; empty when it doesn't. */
export function textsOf(svg: string, content: string): DrawnText[] {
  const outline = textOutline(content).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const pattern = new RegExp(
    `transform="translate\\(([-\\d.]+) ([-\\d.]+)\\)(?: rotate\\(([-\\d.]+)\\))?[^"]*scale\\(([\\d.]+) [^"]*" d="${outline}"`,
    'g',
  );
  return [...svg.matchAll(pattern)].map(([, x, y, rotate, scale]) => ({
    x: Number(x),
    y: Number(y),
    rotate: Number(rotate ?? 0),
    size: Number(scale) * 1000,
  }));
}

export function pixel({ data, width }: RgbImage, x: number, y: number): [number, number, number] {
  const at = (Math.floor(y) * width + Math.floor(x)) * 3;
  return [data[at], data[at + 1], data[at + 2]];
}

/** Greatest difference of a channel. */
export function apart(a: readonly number[], b: readonly number[]): number {
  return Math.max(...a.map((v, i) => Math.abs(v - b[i])));
}

export function rgb(hex: string): [number, number, number] {
  return [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16)) as [number, number, number];
}

/** Attributes of every element of a kind. */
export function elements(svg: string, tag: string): Record<string, string>[] {
  return [...svg.matchAll(new RegExp(`<${tag} ([^>]*?)/?>`, 'g'))].map(([, attributes]) =>
    Object.fromEntries([...attributes.matchAll(/([\w-]+)="([^"]*)"/g)].map(([, key, value]) => [key, value])),
  );
}
