import type { Detector } from '../../src/detect/detector.js';

/** A model that needs no weights: it finds the white rectangles that have at least so many pixels of its input on each side. */
export class RectangleFinder implements Detector {
  readonly names = ['white'];
  readonly stride = 32;
  readonly engine = 'by hand';
  readonly shapes: number[][] = [];

  constructor(
    readonly leastSide: number,
    readonly fixedBatch?: number,
    readonly fixedShape?: [number, number],
  ) {}

  async infer(images: Uint8Array, [b, h, w]: [number, number, number]) {
    this.shapes.push([b, h, w]);
    const found = Array.from({ length: b }, (_, i) =>
      this.find(images.subarray(i * h * w * 3, (i + 1) * h * w * 3), w),
    );
    const A = Math.max(1, ...found.map((boxes) => boxes.length));
    const data = new Float32Array(b * 5 * A);
    for (const [i, boxes] of found.entries()) {
      for (const [a, [x1, y1, x2, y2]] of boxes.entries()) {
        const column = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, 0.9];
        for (const [row, value] of column.entries()) data[(i * 5 + row) * A + a] = value;
      }
    }
    return { data, shape: [b, 5, A] as [number, number, number] };
  }

  dispose(): void {}

  /** Boxes of the connected white areas. */
  private find(image: Uint8Array, width: number): number[][] {
    const left = new Set<number>();
    for (let p = 0; p < image.length / 3; p++) if (image[p * 3] > 200) left.add(p);
    const boxes: number[][] = [];
    for (const start of left) {
      const box = [width, Infinity, 0, 0];
      const edge = [start];
      left.delete(start);
      for (let p = edge.pop(); p !== undefined; p = edge.pop()) {
        const [x, y] = [p % width, Math.floor(p / width)];
        [box[0], box[1]] = [Math.min(box[0], x), Math.min(box[1], y)];
        [box[2], box[3]] = [Math.max(box[2], x + 1), Math.max(box[3], y + 1)];
        const beside = [p - width, p + width, ...(x > 0 ? [p - 1] : []), ...(x + 1 < width ? [p + 1] : [])];
        for (const next of beside) if (left.delete(next)) edge.push(next);
      }
      if (Math.min(box[2] - box[0], box[3] - box[1]) >= this.leastSide) boxes.push(box);
    }
    return boxes;
  }
}
