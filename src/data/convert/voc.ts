/**
 * Pascal VOC (Everingham et al. 2010): an XML file an image, boxes as xmin ymin xmax ymax in pixels, splits as lists in
 * ImageSets/Main. The corners are taken as edges, as labelling tools write them.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, relative } from 'node:path';
import { messageOf } from '../../core/errors.js';
import type { Box } from '../../core/types.js';
import { IMAGE_EXTENSIONS, readImageSize } from '../../image/codec.js';
import { writeFileAtomic } from '../../io/files.js';
import type { Finding } from '../finding.js';
import { filesUnder, isFile } from '../listing.js';
import { type AnnotatedImage, type Annotations, usableBox } from './annotations.js';

/** The XML files of a source, a folder or one such file; undefined when there are none. */
export function vocFiles(source: string): string[] | undefined {
  if (source.toLowerCase().endsWith('.xml')) return [source];
  if (!statSync(source).isDirectory()) return undefined;
  const folder = existsSync(join(source, 'Annotations')) ? join(source, 'Annotations') : source;
  const files = filesUnder(folder, (path) => path.toLowerCase().endsWith('.xml')).sort();
  return files.length ? files : undefined;
}

interface Parsed {
  file: string;
  image: AnnotatedImage;
  objects: { name: string; box: Box; line: number }[];
}

export async function readVoc(source: string, files: string[]): Promise<Annotations> {
  const findings: Finding[] = [];
  const parsed: Parsed[] = [];
  for (const file of files) {
    const one = await readOne(source, file, findings);
    if (one) parsed.push(one);
  }
  const names = [...new Set(parsed.flatMap(({ objects }) => objects.map(({ name }) => name)))].sort();
  const splits = new Map<string, AnnotatedImage[]>();
  const splitOf = splitLists(source);
  for (const { file, image, objects } of parsed) {
    for (const { name, box, line } of objects) {
      const cut = usableBox(box, image, { file, line, object: name }, findings);
      if (cut) image.objects.push({ class: names.indexOf(name), box: cut });
    }
    const split = splitOf.get(basename(file, extname(file))) ?? 'train';
    const list = splits.get(split);
    if (list) list.push(image);
    else splits.set(split, [image]);
  }
  return { names, splits, findings };
}

async function readOne(source: string, file: string, findings: Finding[]): Promise<Parsed | undefined> {
  const bad = (kind: Finding['kind'], message: string): undefined => {
    findings.push({ kind, severity: 'corrupt', file, message: `${message}; left out` });
  };
  const xml = readFileSync(file, 'utf8');
  const root = /<annotation[\s>]/.exec(xml) && /<\/annotation>/.exec(xml) ? xml : undefined;
  if (!root) return bad('unreadable-label', 'no <annotation> in it');
  const stem = basename(file, extname(file));
  const path = findImage(source, file, tag(root, 'filename'), stem);
  let [width, height] = [Number(tag(root, 'width')), Number(tag(root, 'height'))];
  if (!(width > 0 && height > 0)) {
    if (!path) return bad('missing-image', 'no size and no image');
    try {
      ({ width, height } = await readImageSize(path));
    } catch (error) {
      return bad('broken-image', messageOf(error));
    }
  }
  if (!path) findings.push({ kind: 'missing-image', severity: 'warning', file, message: 'its image was not found' });
  const objects = [...root.matchAll(/<object>([\s\S]*?)<\/object>/g)].map((match) => {
    const corner = (name: string): number => Number(tag(match[1], name) ?? Number.NaN);
    const box: Box = [corner('xmin'), corner('ymin'), corner('xmax'), corner('ymax')];
    return { name: tag(match[1], 'name') ?? 'object', box, line: root.slice(0, match.index).split('\n').length };
  });
  const name = path ? basename(path) : (tag(root, 'filename') ?? `${stem}.jpg`);
  return { file, image: { path, name, width, height, objects: [] }, objects };
}

/** Text of the first such element. */
function tag(xml: string, name: string): string | undefined {
  const match = new RegExp(`<${name}>\\s*([\\s\\S]*?)\\s*</${name}>`).exec(xml);
  return match?.[1].replace(/&(lt|gt|quot|apos|amp);/g, (_, entity: string) => ENTITIES[entity]);
}

const ENTITIES: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

function escaped(text: string): string {
  return text.replace(/[<>&"']/g, (c) => `&${Object.keys(ENTITIES).find((entity) => ENTITIES[entity] === c)};`);
}

function findImage(source: string, file: string, named: string | undefined, stem: string): string | undefined {
  const own = dirname(file);
  const folders = [
    join(source, 'JPEGImages'),
    join(source, 'images'),
    own,
    dirname(own),
    join(dirname(own), 'JPEGImages'),
    join(dirname(own), 'images'),
  ];
  const names = [
    ...(named ? [basename(named)] : []),
    ...IMAGE_EXTENSIONS.flatMap((end) => [`${stem}.${end}`, `${stem}.${end.toUpperCase()}`]),
  ];
  for (const folder of folders) for (const name of names) if (isFile(join(folder, name))) return join(folder, name);
  return undefined;
}

/** Stem → split, from ImageSets/Main/{train,val,test}.txt. */
function splitLists(source: string): Map<string, string> {
  const folder = join(source, 'ImageSets', 'Main');
  const splits = new Map<string, string>();
  for (const split of ['test', 'val', 'train']) {
    const file = join(folder, `${split}.txt`);
    if (!existsSync(file)) continue;
    for (const line of readFileSync(file, 'utf8').split(/\r?\n/))
      if (line.trim()) splits.set(line.trim().split(/\s+/)[0], split);
  }
  return splits;
}

/** Annotations/<stem>.xml, one an image, and ImageSets/Main/<split>.txt in `out`. */
export function writeVoc({ names, splits }: Annotations, out: string): string[] {
  const folder = join(out, 'Annotations');
  const taken = new Map<string, string>();
  for (const [split, images] of splits) {
    const stems: string[] = [];
    for (const image of images) {
      let stem = basename(image.name, extname(image.name));
      if (taken.has(stem)) stem = `${split}_${stem}`;
      taken.set(stem, split);
      stems.push(stem);
      writeFileAtomic(join(folder, `${stem}.xml`), vocXml(image, names));
    }
    writeFileAtomic(join(out, 'ImageSets', 'Main', `${split}.txt`), `${stems.join('\n')}\n`);
  }
  return [
    folder,
    ...readdirSync(join(out, 'ImageSets', 'Main')).map((name) => relative('.', join(out, 'ImageSets', 'Main', name))),
  ];
}

function vocXml({ name, width, height, objects }: AnnotatedImage, names: string[]): string {
  const rows = objects.map(({ class: id, box }) => {
    const [x1, y1, x2, y2] = box.map((value) => Number(value.toFixed(2)));
    const corners = `<xmin>${x1}</xmin><ymin>${y1}</ymin><xmax>${x2}</xmax><ymax>${y2}</ymax>`;
    return `  <object>\n    <name>${escaped(names[id])}</name>\n    <difficult>0</difficult>\n    <bndbox>${corners}</bndbox>\n  </object>\n`;
  });
  const size = `  <size><width>${width}</width><height>${height}</height><depth>3</depth></size>\n`;
  return `<annotation>\n  <filename>${escaped(basename(name))}</filename>\n${size}${rows.join('')}</annotation>\n`;
}
