/**
 * Pascal VOC (Everingham et al. 2010): one XML file for each image, boxes as xmin ymin xmax ymax in pixels, splits as
 * lists in ImageSets/Main. Coordinates are used as they are, from 0, as labelling tools write them (VOC counts from 1).
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join, relative, win32 } from 'node:path';
import { XMLBuilder, XMLParser, XMLValidator } from 'fast-xml-parser';
import { messageOf } from '../../core/errors.js';
import type { Box } from '../../core/types.js';
import { IMAGE_EXTENSIONS, readImageSize } from '../../image/codec.js';
import { writeFileAtomic } from '../../io/files.js';
import type { Finding } from '../finding.js';
import { filesUnder, isFile } from '../listing.js';
import { type AnnotatedImage, type Annotations, nameBelow, usableBox } from './annotations.js';

/** @param source a folder or an XML file @returns the XML files; undefined when there are none */
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

/**
 * Reads XML files. Files that cannot be used are excluded, with a finding.
 * @param source folder that has the images and ImageSets/Main
 */
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

/** Names remain text ('007'). Nested and external entities are not expanded (XML bombs, XXE). */
const parser = new XMLParser({
  parseTagValue: false,
  htmlEntities: true,
  captureMetaData: true,
  isArray: (name) => name === 'object',
});
const META = XMLParser.getMetaDataSymbol() as symbol;

async function readOne(source: string, file: string, findings: Finding[]): Promise<Parsed | undefined> {
  const bad = (kind: Finding['kind'], message: string, line?: number): undefined => {
    findings.push({ kind, severity: 'corrupt', file, line, message: `${message}; the image is excluded` });
  };
  const xml = readFileSync(file, 'utf8');
  const valid = XMLValidator.validate(xml);
  if (valid !== true) return bad('unreadable-label', `not valid XML: ${valid.err.msg}`, valid.err.line);
  let root: unknown;
  try {
    root = parser.parse(xml).annotation;
  } catch (error) {
    return bad('unreadable-label', `not valid XML: ${messageOf(error)}`);
  }
  if (root === undefined) return bad('unreadable-label', 'there is no <annotation> element');
  const stem = basename(file, extname(file));
  const path = findImage(source, file, textAt(root, 'filename'), stem);
  let [width, height] = [Number(textAt(root, 'size', 'width')), Number(textAt(root, 'size', 'height'))];
  if (!(width > 0 && height > 0)) {
    if (!path) return bad('missing-image', 'there is no <size>, and the image was not found');
    try {
      ({ width, height } = await readImageSize(path));
    } catch (error) {
      return bad('broken-image', messageOf(error));
    }
  }
  if (!path) findings.push({ kind: 'missing-image', severity: 'warning', file, message: 'the image was not found' });
  const name = path ? basename(path) : nameBelow(textAt(root, 'filename') ?? `${stem}.jpg`);
  const objects = ((root as { object?: unknown[] }).object ?? []).map((object) => objectOf(object, xml));
  return { file, image: { path, name, width, height, objects: [] }, objects };
}

function objectOf(object: unknown, xml: string): Parsed['objects'][number] {
  const corner = (name: string): number => Number(textAt(object, 'bndbox', name) ?? Number.NaN);
  const box: Box = [corner('xmin'), corner('ymin'), corner('xmax'), corner('ymax')];
  const { startIndex = 0 } = (object as Record<symbol, { startIndex?: number } | undefined>)[META] ?? {};
  return { name: textAt(object, 'name') ?? 'object', box, line: xml.slice(0, startIndex).split('\n').length };
}

/** Text of the first element at a path below `node`. */
function textAt(node: unknown, ...path: string[]): string | undefined {
  for (const name of path) [node] = [(node as Record<string, unknown> | undefined)?.[name]].flat();
  return typeof node === 'string' ? node : undefined;
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
    ...(named ? new Set([basename(named), win32.basename(named)]) : []),
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

/**
 * Writes Annotations/<stem>.xml for each image, whose stems are distinct, and ImageSets/Main/<split>.txt in `out`.
 * @returns the folder and the lists
 */
export function writeVoc({ names, splits }: Annotations, out: string): string[] {
  const folder = join(out, 'Annotations');
  for (const [split, images] of splits) {
    const stems: string[] = [];
    for (const image of images) {
      const stem = basename(image.name, extname(image.name));
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
  const object = objects.map(({ class: id, box }) => {
    const [xmin, ymin, xmax, ymax] = box.map((value) => Number(value.toFixed(2)));
    return { name: names[id], difficult: 0, bndbox: { xmin, ymin, xmax, ymax } };
  });
  const annotation = { filename: basename(name), size: { width, height, depth: 3 }, object };
  return new XMLBuilder({ format: true }).build({ annotation });
}
