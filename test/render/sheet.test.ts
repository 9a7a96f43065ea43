import { describe, expect, it } from 'vitest';
import type { Detection, RgbImage } from '../../src/core/types.js';
import { type AssignedLabel, drawAssignment } from '../../src/render/assignment.js';
import { classColor } from '../../src/render/palette.js';
import { contactSheet } from '../../src/render/sheet.js';
import { apart, pixel } from '../helpers/drawing.js';

function plain(width: number, height: number, grey: number): RgbImage {
  return { data: new Uint8Array(width * height * 3).fill(grey), width, height };
}

const box: Detection = { class: 1, name: 'dog', confidence: 0.5, box: [20, 30, 60, 70] };

describe('contact sheet', () => {
  it('puts images into a square grid in reading order, each with its boxes, its caption below', async () => {
    const tiles = [40, 80, 120, 160].map((grey, i) => ({
      image: plain(100, i < 2 ? 80 : 50, grey),
      detections: i === 1 ? [box] : [],
      caption: i === 1 ? 'b.jpg' : '',
    }));
    const sheet = await contactSheet(tiles);
    const [left, top] = [8, 8];
    const [second, lower] = [left + 108, top + 80 + 28];
    expect([sheet.width, sheet.height]).toEqual([8 + 2 * 108, lower + 50 + 28]);
    expect(pixel(sheet, left, top)).toEqual([40, 40, 40]);
    expect(pixel(sheet, left + 99, top + 79)).toEqual([40, 40, 40]);
    expect(pixel(sheet, second, top)).toEqual([80, 80, 80]);
    expect(pixel(sheet, left, lower)).toEqual([120, 120, 120]);
    expect(pixel(sheet, second + 99, lower + 49)).toEqual([160, 160, 160]);
    expect(pixel(sheet, second + 40, top + 70)).toEqual([...classColor(1)]);
    expect(pixel(sheet, second + 40, top + 50)).toEqual([80, 80, 80]);
    const ink = (x0: number, y0: number): number => {
      let dark = 0;
      for (let y = y0; y < y0 + 20; y++) for (let x = x0; x < x0 + 60; x++) if (pixel(sheet, x, y)[0] < 128) dark++;
      return dark;
    };
    expect(ink(second, top + 80)).toBeGreaterThan(20);
    expect(ink(left, top + 80)).toBe(0);
  });
});

describe('assignment', () => {
  const image = plain(400, 300, 128);
  const found: AssignedLabel = {
    class: 0,
    name: 'cat',
    box: [50, 60, 250, 260],
    points: [
      { x: 100, y: 100, level: 0, score: 0.5 },
      { x: 140, y: 140, level: 1, score: 0.9 },
      { x: 200, y: 200, level: 2, score: 0.1 },
    ],
  };
  const lost: AssignedLabel = { class: 1, name: 'dog', box: [300, 100, 380, 200], points: [] };

  it('a point in the colour of its label, larger on coarser levels', async () => {
    const drawn = await drawAssignment({ image, labels: [found, lost], strides: [8, 16, 32], title: 'a.jpg' });
    expect(drawn.height).toBe(300);
    expect(drawn.width).toBeGreaterThan(700);
    const color = classColor(0);
    const reach = ([x, y]: [number, number]): number => {
      let r = 0;
      while (apart(pixel(drawn, x + r, y), color) < 12) r++;
      return r;
    };
    const [fine, middle, coarse] = (
      [
        [100, 100],
        [140, 140],
        [200, 200],
      ] as [number, number][]
    ).map(reach);
    expect(fine).toBeGreaterThan(0);
    expect(middle).toBeGreaterThan(fine);
    expect(coarse).toBeGreaterThan(middle);
    expect(apart(pixel(drawn, 50, 200), color)).toBeLessThan(12);
  });

  it('a label without points is dashed and red', async () => {
    const drawn = await drawAssignment({ image, labels: [found, lost], strides: [8, 16, 32], title: 'a.jpg' });
    let [red, bare] = [0, 0];
    for (let y = 120; y < 195; y++) {
      const [r, g] = pixel(drawn, 300, y);
      if (r > 140 && g < 80) red++;
      else if (r === 128) bare++;
    }
    expect(red).toBeGreaterThan(20);
    expect(bare).toBeGreaterThan(15);
  });

  it('more labels than fit beside the image make it higher', async () => {
    const labels = Array.from({ length: 40 }, () => lost);
    const drawn = await drawAssignment({ image, labels, strides: [8, 16, 32], title: '' });
    expect(drawn.height).toBeGreaterThan(40 * 20);
    expect(pixel(drawn, 10, 299)).toEqual([128, 128, 128]);
    expect(pixel(drawn, 10, 400)).toEqual([255, 255, 255]);
  });
});
