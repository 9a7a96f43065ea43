/** `yolo convert`: COCO JSON and Pascal VOC XML to this project's layout, and back. The source is only read. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { findDataYaml } from '../cfg/data-yaml.js';
import type { ConfigOf } from '../cfg/schema.js';
import type { LabelFormat } from '../core/choices.js';
import { UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import { type Annotations, distinctNames } from '../data/convert/annotations.js';
import { cocoFiles, readCoco, writeCoco } from '../data/convert/coco.js';
import { readVoc, vocFiles, writeVoc } from '../data/convert/voc.js';
import { placeImages, readYolo, writeYolo } from '../data/convert/yolo.js';
import { type Finding, formatFinding } from '../data/finding.js';

/** What a conversion wrote and found. */
export interface ConvertResult {
  /** What `json=true` prints. */
  from: LabelFormat;
  to: LabelFormat;
  out: string;
  files: string[];
  names: string[];
  splits: { split: string; images: number; instances: number }[];
  findings: Finding[];
}

const FINDINGS_SHOWN = 20;

/** @throws UserError when the source is none of the formats, or `out` is not empty */
export async function convertDataset(config: ConfigOf<'convert'>): Promise<ConvertResult> {
  const { source, format: to } = config;
  if (!source)
    throw new UserError(
      'missing-source',
      'convert what? source= is missing',
      'for example: yolo convert source=instances_val.json format=yolo',
    );
  const { from, read } = recognize(source);
  if (from === to)
    throw new UserError('same-format', `${source} is in the ${to} format already`, 'give another format=');
  const out = resolve(config.out ?? `${basename(source, extname(source))}-${to}`);
  if (existsSync(out) && readdirSync(out).length)
    throw new UserError('not-empty', `${out} is there already and not empty`, 'give another folder: out=FOLDER');
  const annotations = await read();
  if (!annotations.names.length) throw new UserError('no-labels', `${source} has no labelled objects`, undefined, 1);
  const files = WRITERS[to](annotations, out);
  return report({ from, to, out, files, ...annotations });
}

function recognize(source: string): { from: LabelFormat; read: () => Promise<Annotations> } {
  const isYaml = /\.ya?ml$/i.test(source);
  if (!isYaml && existsSync(source)) {
    const coco = cocoFiles(source);
    if (coco) return { from: 'coco', read: () => readCoco(coco) };
    const voc = vocFiles(source);
    if (voc) return { from: 'voc', read: () => readVoc(source, voc) };
    if (statSync(source).isFile())
      throw new UserError(
        'unknown-format',
        `${source} is not in a format that is read`,
        'COCO: a .json; Pascal VOC: an .xml, or a folder of them; YOLO: the .yaml of a dataset, or its folder',
      );
  }
  // A YAML, a folder with one, or the name of a built-in one; else the error says what was tried.
  findDataYaml(source);
  return { from: 'yolo', read: () => readYolo(source) };
}

/** Each writes the labels below `out`, the images where its format has them. @returns the files that were written */
const WRITERS: Record<LabelFormat, (annotations: Annotations, out: string) => string[]> = {
  yolo: (read, out) => writeYolo(inFolderOfSplit(read), out),
  coco(read, out) {
    const annotations = inFolderOfSplit(read);
    placeImages(annotations, (split) => join(out, 'images', split));
    return writeCoco(annotations, out);
  },
  voc(read, out) {
    const annotations = inOneFolder(read);
    placeImages(annotations, () => join(out, 'JPEGImages'));
    return writeVoc(annotations, out);
  },
};

/** Images of each split with names for one folder. */
function inFolderOfSplit({ splits, ...rest }: Annotations): Annotations {
  return { ...rest, splits: new Map([...splits].map(([split, images]) => [split, distinctNames(images)])) };
}

/** Images of all splits with names for the same folder. */
function inOneFolder({ splits, ...rest }: Annotations): Annotations {
  const flat = [...splits.values()].flat().map((image) => ({ ...image, name: basename(image.name) }));
  const distinct = distinctNames(flat);
  let at = 0;
  const own = [...splits].map(([split, { length }]) => {
    at += length;
    return [split, distinct.slice(at - length, at)] as const;
  });
  return { ...rest, splits: new Map(own) };
}

function report({ splits, names, findings, ...rest }: Annotations & Omit<ConvertResult, 'splits'>): ConvertResult {
  const counts = [...splits].map(([split, images]) => ({
    split,
    images: images.length,
    instances: images.reduce((n, image) => n + image.objects.length, 0),
  }));
  for (const finding of findings.slice(0, FINDINGS_SHOWN)) log.warn(formatFinding(finding));
  if (findings.length > FINDINGS_SHOWN) log.warn(`… and ${findings.length - FINDINGS_SHOWN} more`);
  for (const { split, images, instances } of counts) log.info(`${split}: ${images} images, ${instances} objects`);
  log.info(`${rest.from} → ${rest.to}: ${rest.out}`);
  return { ...rest, names, splits: counts, findings };
}
