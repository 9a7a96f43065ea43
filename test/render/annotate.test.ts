import { describe, expect, it } from 'vitest';
import type { Detection, RgbImage } from '../../src/core/types.js';
import { renderSvg, svgCoverage } from '../../src/image/codec.js';
import { annotate, autoLineWidth } from '../../src/render/annotate.js';
import { canDraw, textOutline, textWidth } from '../../src/render/glyphs.js';
import { classColor, textColorOn } from '../../src/render/palette.js';
import { line, polyline, rect, svg, text } from '../../src/render/svg.js';

function gray(width: number, height: number): RgbImage {
  return { data: new Uint8Array(width * height * 3).fill(128), width, height };
}

function pixel({ data, width }: RgbImage, x: number, y: number): number[] {
  return [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
}

const cat: Detection = { class: 3, name: 'cat', confidence: 0.87, box: [40, 60, 160, 140] };

describe('annotate', () => {
  it('frames the box in the colour of its class and leaves the inside and the input alone', async () => {
    const image = gray(200, 200);
    const out = await annotate(image, [cat]);
    expect(pixel(out, 40, 100)).toEqual([...classColor(3)]);
    expect(pixel(out, 159, 100)).toEqual([...classColor(3)]);
    expect(pixel(out, 100, 139)).toEqual([...classColor(3)]);
    expect(pixel(out, 100, 100)).toEqual([128, 128, 128]);
    expect(image.data.every((v) => v === 128)).toBe(true);
  });

  it('writes the label above the box in a contrasting colour', async () => {
    const out = await annotate(gray(200, 200), [cat], { showBoxes: false });
    const ink = textColorOn(classColor(3));
    let [inkPixels, backPixels] = [0, 0];
    for (let y = 40; y < 60; y++) {
      for (let x = 39; x < 120; x++) {
        const p = pixel(out, x, y);
        const far = (from: readonly number[]): number => Math.max(...p.map((v, c) => Math.abs(v - from[c])));
        if (far(classColor(3)) === 0) backPixels++;
        else if (far(ink) < far(classColor(3)) && far([128, 128, 128]) > 0) inkPixels++;
      }
    }
    expect(inkPixels).toBeGreaterThan(40);
    expect(backPixels).toBeGreaterThan(200);
    expect(pixel(out, 100, 100)).toEqual([128, 128, 128]);
  });

  it('show_labels, show_conf and show_boxes switch their parts off', async () => {
    const bare = await annotate(gray(200, 200), [cat], { showBoxes: false, showLabels: false });
    expect(bare.data.every((v) => v === 128)).toBe(true);
    const changed = (image: RgbImage): number => image.data.filter((v) => v !== 128).length;
    const long = await annotate(gray(200, 200), [cat], { showBoxes: false });
    const short = await annotate(gray(200, 200), [cat], { showBoxes: false, showConf: false });
    expect(changed(short)).toBeLessThan(changed(long));
    expect(changed(short)).toBeGreaterThan(0);
  });

  it('paints a line as wide as asked for, and as the image wants by default', async () => {
    for (const lineWidth of [1, 2, 5, 8]) {
      const out = await annotate(gray(200, 200), [cat], { lineWidth, showLabels: false });
      let wide = 0;
      for (let x = 0; x < 100; x++) if (pixel(out, x, 100).join() === classColor(3).join()) wide++;
      expect(wide).toBe(lineWidth);
    }
    expect([autoLineWidth({ width: 10, height: 10 }), autoLineWidth({ width: 3000, height: 1000 })]).toEqual([2, 6]);
  });

  it('takes boxes at and beyond the border, images of 1x1, and many labels', async () => {
    await annotate(gray(1, 1), [{ ...cat, box: [0, 0, 1, 1] }]);
    await annotate(gray(30, 9), [{ ...cat, name: 'a very long name of a class', box: [-5, -5, 40, 40] }]);
    const many = Array.from({ length: 900 }, (_, i) => ({
      ...cat,
      class: i,
      box: [i % 90, 50, 95, 90] as Detection['box'],
    }));
    const out = await annotate(gray(100, 100), many);
    expect(out.data.length).toBe(100 * 100 * 3);
  });
});

describe('glyphs', () => {
  it('cover Latin, Greek and Cyrillic, and say when they do not', () => {
    expect(canDraw('Größe, façade, łódź')).toBe(true);
    expect(canDraw('άνθρωπος человек')).toBe(true);
    expect(canDraw('人')).toBe(false);
    expect(canDraw('cafe\u0301')).toBe(true);
  });

  it('have widths that add up and grow with the size', () => {
    expect(textWidth('', 10)).toBe(0);
    expect(textWidth('ab', 10)).toBeCloseTo(textWidth('a', 10) + textWidth('b', 10));
    expect(textWidth('W', 20)).toBeCloseTo(2 * textWidth('W', 10));
    expect(textWidth('W', 10)).toBeGreaterThan(textWidth('i', 10));
  });

  it('an unknown character is a question mark', () => {
    expect(textOutline('人')).toBe(textOutline('?'));
  });

  it('every outline is rendered as what it is: ink on the left of an L, none at its upper right', async () => {
    const { data, width } = await svgCoverage(svg(20, 20, [text(2, 18, 20, 'L')]));
    const ink = (x0: number, y0: number, x1: number, y1: number): number => {
      let sum = 0;
      for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) sum += data[y * width + x];
      return sum / 255;
    };
    expect(ink(2, 4, 7, 18)).toBeGreaterThan(20);
    expect(ink(8, 3, 20, 14)).toBeLessThan(1);
    expect(ink(8, 15, 13, 18)).toBeGreaterThan(4);
  });
});

describe('svg', () => {
  it('draws what it is told on white', async () => {
    const image = await renderSvg(
      svg(40, 30, [rect(5, 5, 10, 10, { fill: '#ff0000' }), line(0, 25, 40, 25, { stroke: '#00f', strokeWidth: 2 })]),
    );
    expect([image.width, image.height]).toEqual([40, 30]);
    expect(pixel(image, 10, 10)).toEqual([255, 0, 0]);
    expect(pixel(image, 30, 10)).toEqual([255, 255, 255]);
    expect(pixel(image, 30, 25)).toEqual([0, 0, 255]);
  });

  it('renders larger at a scale, and breaks a line at a gap', async () => {
    const points: [number, number][] = [
      [0, 10],
      [10, 10],
      [Number.NaN, 10],
      [30, 10],
      [40, 10],
    ];
    const image = await renderSvg(svg(40, 20, [polyline(points, { stroke: '#000', strokeWidth: 4 })]), 2);
    expect([image.width, image.height]).toEqual([80, 40]);
    expect(pixel(image, 10, 20)).toEqual([0, 0, 0]);
    expect(pixel(image, 40, 20)).toEqual([255, 255, 255]);
  });
});
