import type { RgbImage } from '../../src/core/types.js';
import type { Detector } from '../../src/detect/detector.js';

/** A model that needs no weights: it finds the white rectangle of each image, and knows two classes. */
export class WhiteFinder implements Detector {
  readonly names = ['white', 'odd/name'];
  readonly stride = 32;
  readonly engine = 'by hand';
  readonly shapes: number[][] = [];
  disposed = 0;
  constructor(
    readonly fixedBatch?: number,
    readonly fixedShape?: [number, number],
    readonly cls = 0,
  ) {}

  async infer(images: Uint8Array, [b, h, w]: [number, number, number]) {
    this.shapes.push([b, h, w]);
    const data = new Float32Array(b * 6);
    for (let i = 0; i < b; i++) {
      let [x1, y1, x2, y2] = [w, h, -1, -1];
      for (let p = 0; p < h * w; p++) {
        if (images[(i * h * w + p) * 3] < 250) continue;
        const [x, y] = [p % w, Math.floor(p / w)];
        [x1, y1, x2, y2] = [Math.min(x1, x), Math.min(y1, y), Math.max(x2, x + 1), Math.max(y2, y + 1)];
      }
      const row = data.subarray(i * 6);
      if (x2 > 0) row.set([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]);
      if (x2 > 0) row[4 + this.cls] = 0.9;
    }
    return { data, shape: [b, 6, 1] as [number, number, number] };
  }

  dispose(): void {
    this.disposed++;
  }
}

/** Black, with white rectangles. */
export function scene(width: number, height: number, ...boxes: number[][]): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (const [x1, y1, x2, y2] of boxes)
    for (let y = y1; y < y2; y++) data.fill(255, (y * width + x1) * 3, (y * width + x2) * 3);
  return { data, width, height };
}
