/** COCO's JSON (cocodataset.org, "Data format"): instances with boxes left, top, width, height in pixels. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { ltwhToXyxy, xyxyToLtwh } from '../../core/boxes.js';
import { categoryIds, imageId } from '../../core/coco-ids.js';
import { messageOf, UserError } from '../../core/errors.js';
import { spellings } from '../../core/written-path.js';
import { readImageSize } from '../../image/codec.js';
import { writeFileAtomic } from '../../io/files.js';
import type { Finding } from '../finding.js';
import { isFile } from '../listing.js';
import { type AnnotatedImage, type Annotations, nameBelow, usableBox } from './annotations.js';

interface CocoImage {
  id: number | string;
  file_name: string;
  width?: number;
  height?: number;
}

interface CocoObject {
  id?: number;
  image_id: number | string;
  category_id: number;
  bbox?: number[];
  iscrowd?: number;
}

interface CocoFile {
  images: CocoImage[];
  annotations: CocoObject[];
  categories: { id: number; name: string }[];
}

/** @param source an instance file or a folder with such files @returns the instance files; undefined when there are none */
export function cocoFiles(source: string): string[] | undefined {
  if (!statSync(source).isDirectory()) return extname(source).toLowerCase() === '.json' ? [source] : undefined;
  for (const folder of [join(source, 'annotations'), source]) {
    if (!existsSync(folder) || !statSync(folder).isDirectory()) continue;
    const all = readdirSync(folder).filter((name) => name.endsWith('.json'));
    const instances = all.filter((name) => name.startsWith('instances'));
    const chosen = instances.length ? instances : all;
    if (chosen.length) return chosen.sort().map((name) => join(folder, name));
  }
  return undefined;
}

/** Reads instance files, one split each. @throws UserError 'bad-annotations' when a file is not an instance file of COCO */
export async function readCoco(files: string[]): Promise<Annotations> {
  const read = files.map((file) => ({ file, content: parse(file) }));
  const categories = new Map(read.flatMap(({ content }) => content.categories.map(({ id, name }) => [id, name])));
  const ids = [...categories.keys()].sort((a, b) => a - b);
  const findings: Finding[] = [];
  const splits = new Map<string, AnnotatedImage[]>();
  for (const { file, content } of read) {
    splits.set(splitName(file), await readImages(file, content, new Map(ids.map((id, i) => [id, i])), findings));
  }
  return { names: ids.map((id) => String(categories.get(id))), splits, findings };
}

function parse(file: string): CocoFile {
  let content: Partial<CocoFile>;
  try {
    content = JSON.parse(readFileSync(file, 'utf8').replace(/^\uFEFF/, '')) as Partial<CocoFile>;
  } catch (error) {
    throw new UserError('bad-annotations', `${file} is not readable JSON: ${messageOf(error)}`, undefined, 1);
  }
  const { images, annotations, categories } = content ?? {};
  if (!Array.isArray(images) || !Array.isArray(annotations) || !Array.isArray(categories))
    throw new UserError(
      'bad-annotations',
      `${file} is not an instance file of COCO: it must have images, annotations and categories`,
      undefined,
      1,
    );
  return { images, annotations, categories };
}

/** instances_val2017.json → val2017 */
function splitName(file: string): string {
  const stem = basename(file, extname(file)).replace(/^instances_?/, '');
  return stem || 'train';
}

async function readImages(
  file: string,
  { images, annotations }: CocoFile,
  classOf: Map<number, number>,
  findings: Finding[],
): Promise<AnnotatedImage[]> {
  const folders = imageFolders(file);
  const byId = new Map<number | string, AnnotatedImage>();
  for (const image of images) {
    const names = spellings(String(image.file_name));
    const path = names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isFile);
    if (!path)
      findings.push({
        kind: 'missing-image',
        severity: 'warning',
        file,
        message: `image ${image.file_name} was not found`,
      });
    const size = await sizeOf(image, path, file, findings);
    if (size) byId.set(image.id, { path, name: nameBelow(image.file_name), ...size, objects: [] });
  }
  for (const [i, object] of annotations.entries()) {
    const annotated = byId.get(object.image_id);
    const name = `annotation ${object.id ?? i}`;
    const say = (kind: Finding['kind'], message: string): void => {
      findings.push({ kind, severity: 'warning', file, message: `${name}: ${message}` });
    };
    const id = classOf.get(object.category_id);
    if (!annotated) say('missing-image', `there is no image ${object.image_id}; the annotation is dropped`);
    else if (id === undefined)
      say('bad-class', `there is no category ${object.category_id}; the annotation is dropped`);
    else if (object.iscrowd)
      say('empty-box', 'a crowd region (iscrowd=1) is not a single object; the annotation is dropped');
    else if (!Array.isArray(object.bbox) || object.bbox.length !== 4)
      say('wrong-columns', 'bbox does not have 4 numbers; the annotation is dropped');
    else {
      const box = usableBox(ltwhToXyxy(object.bbox), annotated, { file, object: name }, findings);
      if (box) annotated.objects.push({ class: id, box });
    }
  }
  return [...byId.values()];
}

async function sizeOf(
  image: CocoImage,
  path: string | undefined,
  file: string,
  findings: Finding[],
): Promise<{ width: number; height: number } | undefined> {
  const { width, height } = image;
  if (width && height && width > 0 && height > 0) return { width, height };
  try {
    if (path) return await readImageSize(path);
  } catch (error) {
    findings.push({ kind: 'broken-image', severity: 'corrupt', file: path ?? file, message: messageOf(error) });
    return undefined;
  }
  findings.push({
    kind: 'missing-image',
    severity: 'corrupt',
    file,
    message: `${image.file_name} has no width and height, and the image was not found; it is excluded`,
  });
  return undefined;
}

/** Folders in which the images of an instance file are looked for. */
function imageFolders(file: string): string[] {
  const [own, split] = [dirname(file), splitName(file)];
  const above = dirname(own);
  return [own, above].flatMap((base) => [
    base,
    join(base, split),
    join(base, 'images'),
    join(base, 'images', split),
    join(base, 'train'),
  ]);
}

/**
 * Writes annotations/instances_<split>.json in `out`, with the ids of categories and images that predictions.json of
 * `yolo val` has.
 * @returns paths of the files
 */
export function writeCoco({ names, splits }: Annotations, out: string): string[] {
  const ids = categoryIds(names);
  return [...splits].map(([split, annotated]) => {
    const images: (CocoImage & { width: number; height: number })[] = [];
    const annotations: (CocoObject & { area: number; segmentation: never[] })[] = [];
    for (const { name, width, height, objects } of annotated) {
      const id = imageId(basename(name, extname(name)));
      images.push({ id, file_name: name, width, height });
      for (const object of objects) {
        const bbox = xyxyToLtwh(object.box).map((value) => Number(value.toFixed(3)));
        const area = Number((bbox[2] * bbox[3]).toFixed(3));
        const base = { id: annotations.length + 1, image_id: id, category_id: ids[object.class] };
        annotations.push({ ...base, bbox, area, iscrowd: 0, segmentation: [] });
      }
    }
    const categories = names.map((name, i) => ({ id: ids[i], name }));
    const file = join(out, 'annotations', `instances_${split}.json`);
    writeFileAtomic(file, JSON.stringify({ info: { description: split }, images, annotations, categories }));
    return file;
  });
}
