import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { UserError } from '../../src/core/errors.js';
import { openDataset } from '../../src/data/dataset.js';
import { labelPath } from '../../src/data/listing.js';
import { encodeImage } from '../../src/image/codec.js';
import { tmpDir } from '../helpers/tmp.js';

const grey = (width: number, height: number) => ({ data: new Uint8Array(width * height * 3).fill(90), width, height });

async function makeSet(dir: string): Promise<string> {
  const jpg = await encodeImage(grey(64, 48), 'jpg');
  const put = (name: string, data: string | Uint8Array): void => {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), data);
  };
  for (const name of ['b', 'a', 'deep/c', 'background', 'badrow', 'twice']) put(`images/train/${name}.jpg`, jpg);
  const noisy = { ...grey(64, 48), data: Uint8Array.from({ length: 64 * 48 * 3 }, (_, i) => (i * 7919) % 256) };
  const long = await encodeImage(noisy, 'jpg');
  put('images/train/cut.jpg', long.subarray(0, long.length - 400));
  put('images/train/broken.png', 'no image at all, although the name says so');
  put('images/train/tiny.png', await encodeImage(grey(5, 40), 'png'));
  put('images/train/notes.md', 'x');
  put('labels/train/a.txt', '0 0.5 0.5 0.2 0.2\n1 0.5 0.5 0.1 0.1\n');
  put('labels/train/b.txt', '1 0.5 0.5 0.5 0.5\n');
  put('labels/train/deep/c.txt', '0 0.2 0.2 0.6 0.2 0.6 0.6\n');
  put('labels/train/badrow.txt', '0 .5 .5 .1 .1\n7 .5 .5 .1 .1\n');
  put('labels/train/twice.txt', '0 .5 .5 .1 .1\n0 .5 .5 .1 .1\n');
  put('data.yaml', 'train: images/train\nval: images/none\nnames: [cat, dog]\n');
  return join(dir, 'data.yaml');
}

describe('openDataset', () => {
  let dir: string;
  let yaml: string;
  beforeEach(async () => {
    dir = tmpDir();
    yaml = await makeSet(dir);
  });
  const names = (set: Awaited<ReturnType<typeof openDataset>>): string[] =>
    set.images.map((image) => image.path.slice(join(dir, 'images/train/').length));

  it('lists images in a fixed order, with sizes and labels', async () => {
    const set = await openDataset(yaml, 'train');
    expect(names(set)).toEqual(['a.jpg', 'b.jpg', 'background.jpg', 'cut.jpg', 'deep/c.jpg', 'twice.jpg']);
    expect(set.images[0]).toMatchObject({ width: 64, height: 48, hasLabelFile: true });
    expect(set.counts).toEqual({
      images: 6,
      backgrounds: 2,
      missingLabels: 2,
      corrupt: 3,
      duplicateRows: 1,
      polygons: 1,
      instances: 5,
    });
  });

  it('names every fault with file and line', async () => {
    const set = await openDataset(yaml, 'train');
    const at = (kind: string) => set.findings.find((f) => f.kind === kind);
    expect(at('bad-class')).toMatchObject({ file: join(dir, 'labels/train/badrow.txt'), line: 2, severity: 'corrupt' });
    expect(at('duplicate-row')).toMatchObject({
      file: join(dir, 'labels/train/twice.txt'),
      line: 2,
      severity: 'warning',
    });
    expect(at('broken-image')?.file).toBe(join(dir, 'images/train/broken.png'));
    expect(at('small-image')?.file).toBe(join(dir, 'images/train/tiny.png'));
    expect(at('truncated-image')).toMatchObject({ file: join(dir, 'images/train/cut.jpg'), severity: 'warning' });
    expect(set.findings.length).toBe(5);
  });

  it('opens the same from the cache, and sees what changed since', async () => {
    const first = await openDataset(yaml, 'train');
    expect(first.fromCache).toBe(false);
    const second = await openDataset(yaml, 'train');
    expect({ ...second, fromCache: false }).toEqual(first);
    expect(second.fromCache).toBe(true);
    writeFileSync(join(dir, 'labels/train/a.txt'), '0 0.5 0.5 0.2 0.3\n1 0.5 0.5 0.1 0.1\n');
    utimesSync(join(dir, 'labels/train/a.txt'), 1, 1); // same size: the time must tell
    const third = await openDataset(yaml, 'train');
    expect(third.fromCache).toBe(false);
    expect(third.images[0].labels[4]).toBeCloseTo(0.3, 6);
    rmSync(join(dir, 'images/train/b.jpg'));
    expect(names(await openDataset(yaml, 'train'))).not.toContain('b.jpg');
  });

  it('makes a damaged cache anew, and one of another class count', async () => {
    const first = await openDataset(yaml, 'train');
    const cache = join(dir, 'labels/train/labels.cache');
    const bytes = readFileSync(cache);
    for (const damage of [bytes.subarray(0, bytes.length - 7), Buffer.from('x'), Buffer.concat([bytes, bytes])]) {
      writeFileSync(cache, damage);
      const again = await openDataset(yaml, 'train');
      expect(again).toEqual(first);
    }
    bytes[bytes.length - 3] ^= 64;
    writeFileSync(cache, bytes);
    expect((await openDataset(yaml, 'train')).images).toEqual(first.images);
    writeFileSync(yaml, 'train: images/train\nnames: [a, b, c, d, e, f, g, h]\n');
    expect(names(await openDataset(yaml, 'train'))).toContain('badrow.jpg');
    expect(readdirSync(join(dir, 'labels/train')).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('keeps its cache elsewhere when there is no folder of labels to write to', async () => {
    process.env.XDG_CACHE_HOME = tmpDir();
    rmSync(join(dir, 'labels'), { recursive: true });
    try {
      expect((await openDataset(yaml, 'train')).fromCache).toBe(false);
      expect(existsSync(join(dir, 'labels'))).toBe(false);
      expect((await openDataset(yaml, 'train')).fromCache).toBe(true);
    } finally {
      delete process.env.XDG_CACHE_HOME;
    }
  });

  it('takes lists, list files and links, and a part', async () => {
    writeFileSync(
      join(dir, 'list.txt'),
      `./images/train/b.jpg\n\n# a comment\n${join(dir, 'images/train/a.jpg')}\nimages/train/gone.jpg\n`,
    );
    symlinkSync(join(dir, 'images/train/deep'), join(dir, 'linked'));
    writeFileSync(yaml, 'train: [list.txt, linked]\nnames: {0: cat, 1: dog}\n');
    const set = await openDataset(yaml, 'train');
    expect(set.images.map((image) => image.path)).toEqual(
      ['images/train/a.jpg', 'images/train/b.jpg', 'linked/c.jpg'].map((name) => join(dir, name)),
    );
    expect(set.findings.map((f) => f.kind)).toEqual(['missing-image']);
    expect((await openDataset(yaml, 'train', { fraction: 0.34 })).images.length).toBe(1);
  });

  it('applies single_cls and classes', async () => {
    const one = await openDataset(yaml, 'train', { singleCls: true });
    expect(one.names).toEqual(['item']);
    expect(one.images.every((image) => image.labels.every((value, i) => i % 5 !== 0 || value === 0))).toBe(true);
    const dogs = await openDataset(yaml, 'train', { classes: [1] });
    expect(dogs.counts).toMatchObject({ images: 6, instances: 2 });
  });

  it('says what it tried when nothing is there', async () => {
    await expect(openDataset(yaml, 'val')).rejects.toThrow(join(dir, 'images/none'));
    await expect(openDataset(yaml, 'test')).rejects.toThrow("no 'test' split");
    await expect(openDataset('nowhere.yaml', 'val')).rejects.toThrow(UserError);
    mkdirSync(join(dir, 'images/none'));
    await expect(openDataset(yaml, 'val')).rejects.toThrow('no images');
  });

  it('takes paths with backslashes, in the YAML and in lists', async () => {
    const image = join(dir, 'images\\train\\deep\\c.jpg'); // slashes where the folder is, backslashes below it
    writeFileSync(join(dir, 'list.txt'), `\ufeffimages\\train\\a.jpg\r\n.\\images\\train\\b.jpg\r\n${image}\r\n`);
    writeFileSync(yaml, 'path: .\\\ntrain: list.txt\nval: images\\train\ntest: ..\\images\\train\nnames: [cat, dog]\n');
    const listed = await openDataset(yaml, 'train');
    expect(names(listed)).toEqual(['a.jpg', 'b.jpg', 'deep/c.jpg']);
    expect(listed.counts.instances).toBe(4);
    for (const split of ['val', 'test'] as const) expect((await openDataset(yaml, split)).counts.images).toBe(6);
  });

  it.skipIf(process.platform === 'win32')('prefers the file whose name has a backslash', async () => {
    const own = join(dir, 'images/train\\a.jpg');
    writeFileSync(own, await encodeImage(grey(32, 32), 'jpg'));
    writeFileSync(join(dir, 'list.txt'), 'images/train\\a.jpg\n');
    writeFileSync(yaml, 'train: list.txt\nnames: [cat, dog]\n');
    expect((await openDataset(yaml, 'train')).images.map(({ path }) => path)).toEqual([own]);
  });

  it.each([
    ['an unknown escape sequence', 'train: "C:\\data"'],
    ['one that is known', 'train: "C:\\new"'],
    ['one in path', 'path: "C:\\new"\ntrain: images/x'],
  ])('backslashes in double quotes, %s: says how to write paths', async (_, lines) => {
    writeFileSync(yaml, `${lines}\nnames: [a]\n`);
    await expect(openDataset(yaml, 'train')).rejects.toMatchObject({
      hint: expect.stringContaining('use slashes (C:/data), single quotes'),
    });
  });

  it('never writes to the images and labels', async () => {
    truncateSync(join(dir, 'images/train/b.jpg'), 300);
    const before = readFileSync(join(dir, 'images/train/b.jpg'));
    await openDataset(yaml, 'train');
    expect(readFileSync(join(dir, 'images/train/b.jpg')).equals(before)).toBe(true);
  });
});

describe('labelPath', () => {
  it('turns the last images folder into labels', () => {
    expect(labelPath('/d/images/x/images/train/a.b.jpg')).toBe('/d/images/x/labels/train/a.b.txt');
    expect(labelPath('/d/my-images/a.jpg')).toBe('/d/my-images/a.txt');
    expect(labelPath('/d/images')).toBe('/d/images.txt');
  });

  it('whichever separators there are', () => {
    expect(labelPath('C:\\d\\images\\train\\a.jpg')).toBe('C:\\d\\labels\\train\\a.txt');
    expect(labelPath('C:\\d/images\\a.jpg')).toBe('C:\\d/labels\\a.txt');
    expect(labelPath('C:/images/d\\images/a.jpg')).toBe('C:/images/d\\labels/a.txt');
  });
});
