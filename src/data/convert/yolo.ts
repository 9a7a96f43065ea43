/** YOLO's layout: a YAML file, images/<split>/…, labels/<split>/….txt with rows `class cx cy w h` in 0..1. */
import { copyFileSync, existsSync, linkSync, mkdirSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { dump } from 'js-yaml';
import { loadDataYaml } from '../../cfg/data-yaml.js';
import { LABEL, labelText, normToPx, xywhToXyxy } from '../../core/boxes.js';
import { SPLITS } from '../../core/choices.js';
import { orCannotWrite, writeFileAtomic } from '../../io/files.js';
import { openDataset } from '../dataset.js';
import type { Finding } from '../finding.js';
import type { AnnotatedImage, Annotations } from './annotations.js';

/** Reads all splits of a dataset. @param yaml a value of the option `data` @throws UserError as openDataset */
export async function readYolo(yaml: string): Promise<Annotations> {
  const spec = loadDataYaml(yaml);
  const splits = new Map<string, AnnotatedImage[]>();
  const findings: Finding[] = [];
  for (const split of SPLITS) {
    if (!spec.splits[split]) continue;
    const set = await openDataset(yaml, split);
    findings.push(...set.findings);
    const annotated = set.images.map(({ path, width, height, labels }) => {
      const objects: AnnotatedImage['objects'] = [];
      for (let i = 0; i < labels.length; i += LABEL)
        objects.push({ class: labels[i], box: normToPx(xywhToXyxy(labels, i + 1), { width, height }) });
      return { path, name: basename(path), width, height, objects };
    });
    splits.set(split, annotated);
  }
  return { names: spec.names, splits, findings };
}

/**
 * Writes images/, labels/ and data.yaml in `out`; names in a split are distinct. Images are hard-linked, or copied where links are not possible.
 * @returns path of data.yaml
 * @throws UserError 'cannot-write'
 */
export function writeYolo({ names, splits }: Annotations, out: string): string[] {
  const used: Record<string, string> = {};
  for (const [split, images] of splits) {
    used[roleOf(split, used)] = `images/${split}`;
    orCannotWrite(out, () => mkdirSync(join(out, 'images', split), { recursive: true }));
    for (const image of images) {
      const stem = image.name.slice(0, image.name.length - extname(image.name).length);
      const rows = image.objects.map((object) => `${labelText(object.class, object.box, image)}\n`);
      writeFileAtomic(join(out, 'labels', split, `${stem}.txt`), rows.join(''));
      if (image.path) placeImage(image.path, join(out, 'images', split, image.name));
    }
  }
  const file = join(out, 'data.yaml');
  writeFileAtomic(file, dump({ ...used, names: Object.fromEntries(names.map((name, i) => [i, name])) }));
  return [file];
}

/** Links or copies the images into the folder of their split. @throws UserError 'cannot-write' */
export function placeImages({ splits }: Annotations, folderOf: (split: string) => string): void {
  for (const [split, images] of splits) {
    for (const { path, name } of images) if (path) placeImage(path, join(folderOf(split), name));
  }
}

/** train, val or test for a split's name (val2017 → val); an unknown name gets the first of them that is not used. */
function roleOf(split: string, used: Record<string, string>): string {
  const known = SPLITS.find((role) => split.toLowerCase().includes(role)) ?? (/valid/i.test(split) ? 'val' : undefined);
  if (known && !used[known]) return known;
  return SPLITS.find((role) => !used[role]) ?? split;
}

function placeImage(from: string, to: string): void {
  if (existsSync(to)) return;
  orCannotWrite(to, () => {
    mkdirSync(dirname(to), { recursive: true });
    try {
      linkSync(from, to);
    } catch {
      copyFileSync(from, to);
    }
  });
}
