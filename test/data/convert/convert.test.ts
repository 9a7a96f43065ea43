import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ConfigOf } from '../../../src/cfg/schema.js';
import { log } from '../../../src/core/log.js';
import { distinctNames } from '../../../src/data/convert/annotations.js';
import { openDataset } from '../../../src/data/dataset.js';
import { convertDataset } from '../../../src/engine/convert.js';
import { encodeImage } from '../../../src/image/codec.js';
import { runCli } from '../../helpers/run-cli.js';
import { tmpDir } from '../../helpers/tmp.js';

log.setSink({ write: () => {} });

const convert = (source: string, format: string, out: string) =>
  convertDataset({ source, format, out } as unknown as ConfigOf<'convert'>);

function put(dir: string, name: string, data: string | Uint8Array): void {
  mkdirSync(dirname(join(dir, name)), { recursive: true });
  writeFileSync(join(dir, name), data);
}

const png = (width: number, height: number) =>
  encodeImage({ data: new Uint8Array(width * height * 3).fill(60), width, height }, 'png');

async function cocoSet(): Promise<string> {
  const dir = tmpDir();
  put(dir, 'val2017/000000000007.png', await png(100, 50));
  put(dir, 'val2017/sub/b.png', await png(40, 80));
  const categories = [
    { id: 18, name: 'dog' },
    { id: 3, name: 'car' },
  ];
  const images = [
    { id: 7, file_name: '000000000007.png', width: 100, height: 50 },
    { id: 8, file_name: 'sub/b.png' },
    { id: 9, file_name: 'gone.png', width: 10, height: 10 },
  ];
  const annotations = [
    { id: 1, image_id: 7, category_id: 3, bbox: [10, 5, 20, 30] },
    { id: 2, image_id: 7, category_id: 18, bbox: [90, 40, 30, 30] },
    { id: 3, image_id: 8, category_id: 18, bbox: [0, 0, 40, 80] },
    { id: 4, image_id: 8, category_id: 18, bbox: [0, 0, 0, 8] },
    { id: 5, image_id: 8, category_id: 99, bbox: [0, 0, 4, 8] },
    { id: 6, image_id: 7, category_id: 3, bbox: [0, 0, 50, 50], iscrowd: 1 },
  ];
  put(dir, 'annotations/instances_val2017.json', JSON.stringify({ images, annotations, categories }));
  return dir;
}

describe('yolo convert', () => {
  it('takes a single VOC file; another file is no dataset', async () => {
    const dir = tmpDir();
    put(dir, 'a.png', await png(100, 50));
    const box = '<bndbox><xmin>10</xmin><ymin>10</ymin><xmax>50</xmax><ymax>30</ymax></bndbox>';
    const size = '<size><width>100</width><height>50</height><depth>3</depth></size>';
    const object = `<object><name>dog</name>${box}</object>`;
    put(dir, 'a.xml', `<annotation><filename>a.png</filename>${size}${object}</annotation>`);
    const run = await runCli(['convert', 'source=a.xml', 'out=out', 'json=true'], { cwd: dir });
    expect(run.code, run.stderr).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ from: 'voc', to: 'yolo', names: ['dog'] });
    expect(readFileSync(join(dir, 'out/labels/train/a.txt'), 'utf8')).toMatch(/^0 0\.3 0\.\d+ 0\.4\d* 0\.4\d*\n$/);
    const wrong = await runCli(['convert', 'source=a.png'], { cwd: dir });
    expect(wrong.stderr).toContain('a.png is not in a format that is read');
    expect(wrong.code).toBe(2);
  });

  it('writes below its folder, whatever the names of images are', async () => {
    const dir = tmpDir();
    const names = ['a/../../../../evil.png', '..\\..\\evil2.png', '/abs/evil3.png', '..', 7];
    const images = names.map((file_name, id) => ({ id, file_name, width: 10, height: 10 }));
    const annotations = images.map(({ id }) => ({ id, image_id: id, category_id: 1, bbox: [1, 1, 5, 5] }));
    put(dir, 'deep/deep/x.json', JSON.stringify({ images, annotations, categories: [{ id: 1, name: 'a' }] }));
    const { code, stderr } = await runCli(['convert', 'source=x.json', 'out=out'], { cwd: join(dir, 'deep/deep') });
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringMatching(/\n\s+at /) });
    const labels = readdirSync(join(dir, 'deep/deep/out/labels'), { recursive: true, encoding: 'utf8' });
    expect(labels.filter((name) => name.endsWith('.txt')).sort()).toEqual([
      'x/7.txt',
      'x/a/evil.txt',
      'x/abs/evil3.txt',
      'x/evil2.txt',
      'x/image.txt',
    ]);
  });
});

describe('convertDataset', () => {
  it('makes rows, images and a YAML of COCO JSON, with findings', async () => {
    const out = join(tmpDir(), 'out');
    const result = await convert(await cocoSet(), 'yolo', out);
    expect(result).toMatchObject({ from: 'coco', to: 'yolo', names: ['car', 'dog'] });
    expect(readFileSync(join(out, 'labels/val2017/000000000007.txt'), 'utf8')).toBe(
      '0 0.2 0.4 0.2 0.6\n1 0.95 0.9 0.1 0.2\n',
    );
    expect(readFileSync(join(out, 'labels/val2017/sub/b.txt'), 'utf8')).toBe('1 0.5 0.5 1 1\n');
    expect(existsSync(join(out, 'images/val2017/sub/b.png'))).toBe(true);
    const kinds = result.findings.map((finding) => finding.kind).sort();
    expect(kinds).toEqual(['bad-class', 'empty-box', 'empty-box', 'missing-image', 'out-of-range']);
    const set = await openDataset(join(out, 'data.yaml'), 'val');
    expect(set.counts).toMatchObject({ images: 2, instances: 3, corrupt: 0 });
    expect(set.names).toEqual(['car', 'dog']);
  });

  it.each(['coco', 'voc'])('comes back the same through %s', async (format) => {
    const [first, middle, last] = ['a', 'b', 'c'].map((name) => join(tmpDir(), name));
    await convert(await cocoSet(), 'yolo', first);
    await convert(join(first, 'data.yaml'), format, middle);
    const back = await convert(middle, 'yolo', last);
    expect(back.from).toBe(format);
    expect(back.findings).toEqual([]);
    const [before, after] = [
      await openDataset(join(first, 'data.yaml'), 'val'),
      await openDataset(join(last, 'data.yaml'), 'val'),
    ];
    expect(after.names).toEqual(before.names);
    expect(after.images.length).toBe(before.images.length);
    const boxes = (set: typeof before) => set.images.map((image) => [...image.labels].map((value) => value.toFixed(3)));
    expect(boxes(after)).toEqual(boxes(before));
  });

  it('reads VOC as labelling tools write it, and names what is wrong with file and line', async () => {
    const dir = tmpDir();
    put(dir, 'JPEGImages/a.png', await png(200, 100));
    const object = (name: string, box: number[]): string =>
      `<object>\n<name>${name}</name><bndbox>${['xmin', 'ymin', 'xmax', 'ymax'].map((k, i) => `<${k}>${box[i]}</${k}>`).join('')}</bndbox></object>\n`;
    const objects = object('a &amp; b&#233;', [20, 10, 60, 90]) + object('cat', [50, 50, 50, 90]);
    put(dir, 'Annotations/a.xml', `<annotation>\n<filename>a.png</filename>\n${objects}</annotation>`);
    put(dir, 'Annotations/broken.xml', '<annotation>\n<object></annotation>');
    put(dir, 'Annotations/other.xml', '<html></html>');
    const foreign = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>';
    put(dir, 'Annotations/reads.xml', `${foreign}<annotation><filename>&x;</filename></annotation>`);
    put(dir, 'ImageSets/Main/val.txt', 'a\n');
    const out = join(tmpDir(), 'out');
    const result = await convert(dir, 'yolo', out);
    expect(result.names).toEqual(['a & bé', 'cat']);
    expect(readFileSync(join(out, 'labels/val/a.txt'), 'utf8')).toBe('0 0.2 0.5 0.2 0.8\n');
    expect(result.findings.map(({ kind, line }) => [kind, line])).toEqual([
      ['unreadable-label', 2],
      ['unreadable-label', undefined],
      ['unreadable-label', undefined],
      ['empty-box', 5],
    ]);
  });

  it('reads COCO with a byte order mark and names with backslashes', async () => {
    const dir = await cocoSet();
    const file = join(dir, 'annotations/instances_val2017.json');
    const text = readFileSync(file, 'utf8').replace('sub/b.png', 'sub\\\\b.png');
    writeFileSync(file, `\ufeff${text}`);
    const out = join(tmpDir(), 'out');
    const { findings } = await convert(dir, 'yolo', out);
    expect(findings.filter(({ kind }) => kind === 'missing-image').map(({ message }) => message)).toEqual([
      'image gone.png was not found',
    ]);
    expect(existsSync(join(out, 'images/val2017/sub/b.png'))).toBe(true);
  });

  it('reads VOC whose <filename> is a path of Windows', async () => {
    const dir = tmpDir();
    put(dir, 'JPEGImages/photo 1.png', await png(20, 10));
    put(dir, 'Annotations/a.xml', '<annotation><filename>C:\\set\\photo 1.png</filename></annotation>');
    put(
      dir,
      'Annotations/b.xml',
      '<annotation><filename>..\\..\\b.png</filename><size><width>9</width><height>9</height></size><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>',
    );
    const out = join(tmpDir(), 'out');
    await convert(dir, 'yolo', out);
    expect(readdirSync(join(out, 'labels/train')).sort()).toEqual(['b.txt', 'photo 1.txt']);
  });

  it.each(['yolo', 'voc'])('%s: no label and no image replaces another one of its name', async (format) => {
    const dir = tmpDir();
    const files = ['a.png', 'a.jpg', 'a-2.png'];
    for (const [i, name] of files.entries()) put(dir, name, await png(10 + i, 10));
    const images = files.map((file_name, id) => ({ id, file_name, width: 10 + id, height: 10 }));
    const annotations = images.map(({ id }) => ({ id, image_id: id, category_id: 1, bbox: [1, 1, 5, 5] }));
    put(dir, 'x.json', JSON.stringify({ images, annotations, categories: [{ id: 1, name: 'a' }] }));
    const out = join(tmpDir(), 'out');
    await convert(join(dir, 'x.json'), format, out);
    const [labels, pictures] = format === 'yolo' ? ['labels/x', 'images/x'] : ['Annotations', 'JPEGImages'];
    expect(
      readdirSync(join(out, labels))
        .map((name) => name.replace(/\..*/, ''))
        .sort(),
    ).toEqual(['a', 'a-2', 'a-3']);
    expect(readdirSync(join(out, pictures)).sort()).toEqual(['a-2.png', 'a-3.jpg', 'a.png']);
  });

  it('refuses what it cannot do in one sentence', async () => {
    const dir = tmpDir();
    put(dir, 'x.json', '{"images": []}');
    await expect(convert(join(dir, 'x.json'), 'yolo', join(dir, 'o'))).rejects.toThrow('must have images, annotations');
    await expect(convert(await cocoSet(), 'coco', join(dir, 'o'))).rejects.toThrow('already');
    await expect(convert(await cocoSet(), 'yolo', dir)).rejects.toThrow('not empty');
    await expect(convert(join(dir, 'nothing'), 'yolo', join(dir, 'o'))).rejects.toThrow("no dataset '");
  });
});

describe('distinctNames', () => {
  const named = (platform: string) =>
    distinctNames(
      ['s/A.png', 's/a.png', 'a.png', 'é.png', 'e\u0301.png'].map((name) => ({
        name,
        width: 1,
        height: 1,
        objects: [],
      })),
      platform,
    ).map(({ name }) => name);

  it('case and normal form count where the system distinguishes them', () => {
    expect(named('linux')).toEqual(['s/A.png', 's/a.png', 'a.png', 'é.png', 'e\u0301.png']);
    for (const platform of ['win32', 'darwin'])
      expect(named(platform)).toEqual(['s/A.png', 's/a-2.png', 'a.png', 'é.png', 'e\u0301-2.png']);
  });
});
