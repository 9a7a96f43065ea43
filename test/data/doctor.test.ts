import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { rng } from '../../src/core/rng.js';
import { openDataset } from '../../src/data/dataset.js';
import { examine, examineOpen } from '../../src/data/doctor.js';
import type { DoctorNote } from '../../src/data/doctor-note.js';
import { encodeImage } from '../../src/image/codec.js';
import { tmpDir } from '../helpers/tmp.js';

/** An image of random blocks: no two seeds look alike. */
function blocks(seed: number) {
  const random = rng(seed);
  const values = Array.from({ length: 64 }, () => random.int(256));
  const data = new Uint8Array(64 * 64 * 3);
  for (let i = 0; i < data.length; i++) {
    const at = Math.floor(i / 3);
    data[i] = values[8 * (at >> 9) + ((at & 63) >> 3)];
  }
  return { data, width: 64, height: 64 };
}

describe('examine', () => {
  let dir: string;
  const put = (name: string, data: string | Uint8Array): void => {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), data);
  };
  const label = (seed: number): string => {
    const random = rng(seed, 1);
    const [x, y] = [random.uniform(0.3, 0.7), random.uniform(0.3, 0.7)];
    return `0 ${x} ${y} 0.3 0.2\n1 ${y} ${x} 0.2 0.3\n`;
  };
  const check = async (): Promise<{ kinds: string[]; harmful: boolean; notes: DoctorNote[] }> => {
    const report = await examine(dir, { imgsz: 640 });
    return { ...report, kinds: report.notes.map((note) => `${note.level} ${note.kind}`) };
  };
  beforeEach(async () => {
    dir = tmpDir();
    put('data.yaml', 'train: images/train\nval: images/val\nnames: [cat, dog]\n');
    for (let i = 0; i < 8; i++) {
      const split = i < 6 ? 'train' : 'val';
      put(`images/${split}/${i}.png`, await encodeImage(blocks(i), 'png'));
      put(`labels/${split}/${i}.txt`, label(i));
    }
  });

  it('finds nothing wrong with a sound set, and counts it', async () => {
    const report = await examine(dir, { imgsz: 640 });
    expect(report.notes).toEqual([]);
    expect(report.harmful).toBe(false);
    expect(report.splits[0]).toMatchObject({ split: 'train', images: 6, instances: 12, perClass: [6, 6] });
    expect(report.splits[0].sizes).toEqual({ small: 0, medium: 0, large: 12 });
  });

  it('finds the same image in two splits, also when it was saved anew', async () => {
    copyFileSync(join(dir, 'images/train/0.png'), join(dir, 'images/val/again.png'));
    put('images/val/saved-anew.jpg', await encodeImage(blocks(1), 'jpg', 60));
    const { kinds, harmful, notes } = await check();
    expect(kinds).toEqual(expect.arrayContaining(['harm leakage', 'warning near-leakage']));
    expect(harmful).toBe(true);
    expect(notes.find((note) => note.kind === 'leakage')?.examples[0]).toContain('again.png');
    expect(notes.find((note) => note.kind === 'near-leakage')).toMatchObject({ count: 1 });
  });

  it('tells duplicates in a split and labels that contradict each other', async () => {
    copyFileSync(join(dir, 'images/train/0.png'), join(dir, 'images/train/copy.png'));
    put('labels/train/copy.txt', '1 0.5 0.5 0.1 0.1\n');
    const { kinds, harmful } = await check();
    expect(kinds).toEqual(['warning duplicate-image', 'warning contradicting-labels']);
    expect(harmful).toBe(false);
  });

  it.each([
    ['pixel-coordinates', '0 320 240 50 60\n'],
    ['classes-from-one', '2 0.5 0.5 0.1 0.1\n'],
    ['wrong-columns', '0 0.5 0.5 0.1\n'],
  ])('finds %s harmful', async (kind, row) => {
    for (let i = 0; i < 6; i++)
      put(`labels/train/${i}.txt`, kind === 'classes-from-one' && i < 3 ? '1 0.5 0.4 0.1 0.1\n' : row);
    if (kind !== 'classes-from-one') put('labels/train/0.txt', label(0));
    const { kinds, harmful, notes } = await check();
    expect(kinds).toContain(`harm ${kind}`);
    expect(harmful).toBe(true);
    expect(notes.find((note) => note.kind === kind)?.examples[0]).toMatch(/labels\/train\/\d\.txt:1: /);
  });

  it('finds boxes that are all the same, and rows that are corners', async () => {
    for (let i = 0; i < 6; i++) put(`labels/train/${i}.txt`, '0 0.5 0.5 0.3 0.3\n1 0.5 0.5 0.3 0.3\n');
    expect((await check()).kinds).toContain('harm identical-boxes');
    for (let i = 0; i < 6; i++) put(`labels/train/${i}.txt`, `0 0.1 0.${i} 0.7 0.9\n1 0.2 0.1 0.9 0.${i + 3}\n`);
    expect((await check()).kinds).toContain('harm corner-coordinates');
  });

  it('names images without labels, labels without images, and a class that is never trained', async () => {
    put('images/train/unlabelled.png', await encodeImage(blocks(50), 'png'));
    put('labels/train/stray.txt', '0 0.5 0.5 0.1 0.1\n');
    for (let i = 0; i < 6; i++) put(`labels/train/${i}.txt`, `0 0.5 0.5 0.${i + 1} 0.3\n`);
    const { kinds, notes } = await check();
    expect(kinds).toEqual(
      expect.arrayContaining(['note image-without-label', 'warning label-without-image', 'harm class-not-trained']),
    );
    expect(notes.find((note) => note.kind === 'label-without-image')?.examples).toEqual([
      join(dir, 'labels/train/stray.txt'),
    ]);
  });

  it('calls a missing split and missing labels harm', async () => {
    put('data.yaml', 'train: images/train\nval: images/none\nnames: [cat, dog]\n');
    for (let i = 0; i < 6; i++) put(`labels/train/${i}.txt`, '');
    expect((await check()).kinds).toEqual(expect.arrayContaining(['harm unusable-split', 'harm no-labels']));
  });

  it('takes train = val as meant', async () => {
    put('data.yaml', 'train: images/train\nval: images/train\nnames: [cat, dog]\n');
    const { kinds, harmful } = await check();
    expect(kinds).toEqual(['warning same-splits']);
    expect(harmful).toBe(false);
  });

  it('of open splits says what needs no reading of images; a part of the images makes no label stray', async () => {
    for (let i = 0; i < 6; i++) put(`labels/train/${i}.txt`, '0 0.5 0.5 0.3 0.3\n1 0.5 0.5 0.3 0.3\n');
    const whole = await openDataset(dir, 'train');
    expect(examineOpen([whole, whole], 640).notes.map(({ kind }) => kind)).toEqual(['identical-boxes']);
    const part = await openDataset(dir, 'train', { fraction: 0.5 });
    expect(examineOpen([part], 640, false).notes.map(({ kind }) => kind)).not.toContain('label-without-image');
    expect(examineOpen([part], 640).splits[0]).toMatchObject({ images: 3, instances: 6 });
  });
});
