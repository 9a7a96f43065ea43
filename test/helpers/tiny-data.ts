import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rng } from '../../src/core/rng.js';
import { encodeImage } from '../../src/image/codec.js';

/** A network small enough to be trained in a test: the real layers at a sixteenth of the width. */
export function writeTinyModel(dir: string): string {
  const file = join(dir, 'yolov8t.yaml');
  writeFileSync(
    file,
    `nc: 2
scales:
  t: [0.33, 0.0625, 1024]
backbone:
  - [-1, 1, Conv, [64, 3, 2]]
  - [-1, 1, Conv, [128, 3, 2]]
  - [-1, 3, C2f, [128, True]]
  - [-1, 1, Conv, [256, 3, 2]]
  - [-1, 6, C2f, [256, True]]
  - [-1, 1, Conv, [512, 3, 2]]
  - [-1, 6, C2f, [512, True]]
  - [-1, 1, Conv, [1024, 3, 2]]
  - [-1, 3, C2f, [1024, True]]
  - [-1, 1, SPPF, [1024, 5]]
head:
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 6], 1, Concat, [1]]
  - [-1, 3, C2f, [512]]
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 4], 1, Concat, [1]]
  - [-1, 3, C2f, [256]]
  - [-1, 1, Conv, [256, 3, 2]]
  - [[-1, 12], 1, Concat, [1]]
  - [-1, 3, C2f, [512]]
  - [-1, 1, Conv, [512, 3, 2]]
  - [[-1, 9], 1, Concat, [1]]
  - [-1, 3, C2f, [1024]]
  - [[15, 18, 21], 1, Detect, [nc]]
`,
  );
  return file;
}

/** A detector of the fewest layers: what is to be seen in the command, not in the network, is seen twice as fast. */
export function writeLeastModel(dir: string): string {
  const file = join(dir, 'least.yaml');
  writeFileSync(
    file,
    `nc: 2
backbone:
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [32, 3, 2]]
  - [-1, 1, Conv, [32, 3, 2]]
head:
  - [[2, 3, 4], 1, Detect, [nc]]
`,
  );
  return file;
}

/** Coloured rectangles of two classes on grey noise. @returns the dataset's YAML */
export async function writeTinyData(dir: string, counts: { train: number; val: number }, size = 64): Promise<string> {
  for (const [split, count] of Object.entries(counts)) {
    mkdirSync(join(dir, 'images', split), { recursive: true });
    mkdirSync(join(dir, 'labels', split), { recursive: true });
    for (let i = 0; i < count; i++) {
      const random = rng(split.length, i);
      const data = Uint8Array.from({ length: size * size * 3 }, () => 90 + random.int(40));
      const rows: string[] = [];
      for (let n = 0; n < 1 + random.int(2); n++) {
        const cls = random.int(2);
        const [w, h] = [16 + random.int(20), 16 + random.int(20)];
        const [x, y] = [random.int(size - w), random.int(size - h)];
        for (let r = y; r < y + h; r++)
          for (let c = x; c < x + w; c++) data.set(cls ? [230, 40, 40] : [40, 60, 230], (r * size + c) * 3);
        rows.push(`${cls} ${(x + w / 2) / size} ${(y + h / 2) / size} ${w / size} ${h / size}`);
      }
      writeFileSync(
        join(dir, 'images', split, `${i}.png`),
        await encodeImage({ data, width: size, height: size }, 'png'),
      );
      writeFileSync(join(dir, 'labels', split, `${i}.txt`), `${rows.join('\n')}\n`);
    }
  }
  const file = join(dir, 'data.yaml');
  writeFileSync(file, 'train: images/train\nval: images/val\nnames: [blue, red]\n');
  return file;
}
