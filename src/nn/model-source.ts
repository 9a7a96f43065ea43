/**
 * Finds and reads the file that describes a network. `yolov8n.yaml` need not exist: it names the packaged
 * cfg/models/yolov8.yaml with scale `n`; the same holds beside a file of the user's own (`nets/yolov8tiny.yaml` is
 * `nets/yolov8.yaml` with scale `tiny`, when that file lists it).
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asObject, parseYaml, readYamlObject, type YamlObject } from '../cfg/yaml.js';
import { cut } from '../core/brief.js';
import { UserError } from '../core/errors.js';

export interface ModelSource {
  yaml: YamlObject;
  /** Scale that the file's name asks for, e.g. 'n' for yolov8n.yaml. */
  scale?: string;
  /** What to call it in messages. */
  where: string;
  /** Name of the file that it came from, which a checkpoint keeps: `yolov8.yaml`. */
  file?: string;
}

/** Folder of the networks that come with this package. */
const modelsDir = fileURLToPath(new URL('../../cfg/models/', import.meta.url));

/** A description without a file, in messages. */
const WHERE = 'the model description';
const KEYS = 'nc, scales, backbone, head';

/**
 * @param source path or name of a YAML file, YAML text (has a line break), or the parsed object
 * @throws UserError missing-file, bad-yaml
 */
export function readModelSource(source: string | YamlObject): ModelSource {
  if (typeof source !== 'string') return withoutFile(source);
  if (source.includes('\n')) return withoutFile(asObject(parseYaml(source, WHERE), KEYS, WHERE));
  for (const folder of [dirname(source), modelsDir]) {
    const path = folder === modelsDir ? join(modelsDir, basename(source)) : source;
    if (existsSync(path)) {
      const yaml = readYamlObject(path, KEYS);
      return { yaml, where: path, scale: scaleInName(path, yaml), file: basename(path) };
    }
    const general = generalFile(path);
    if (general) return general;
  }
  const known = packagedFiles().join(', ');
  throw new UserError(
    'missing-file',
    `no model description '${cut(source, 200)}': neither here nor among those of this package (${known})`,
    'Names such as yolov8n.yaml … yolov8x.yaml and yolo11n.yaml … yolo11x.yaml are known; another file is given by its path (model=path/to/my.yaml)',
  );
}

/** Descriptions that come with this package, and their scales. */
export function packagedModels(): { file: string; scales: string[] }[] {
  return packagedFiles().map((file) => {
    const yaml = readYamlObject(join(modelsDir, file), KEYS);
    return { file, scales: Object.keys(scalesOf(yaml)) };
  });
}

function packagedFiles(): string[] {
  return readdirSync(modelsDir).filter((name) => name.endsWith('.yaml'));
}

/** A description from a checkpoint may tell the file that it once came from. */
function withoutFile(yaml: YamlObject): ModelSource {
  return { yaml, where: WHERE, file: typeof yaml.yaml_file === 'string' ? basename(yaml.yaml_file) : undefined };
}

/** `dir/yolov8n.yaml`, which doesn't exist, as `dir/yolov8.yaml` with scale `n`, when that file has such a scale. */
function generalFile(path: string): ModelSource | undefined {
  const match = /^(.*\d)([a-z]\w*)(\.ya?ml)$/i.exec(basename(path));
  if (!match) return undefined;
  const [, stem, scale, extension] = match;
  const general = join(dirname(path), stem + extension);
  if (!existsSync(general)) return undefined;
  const yaml = readYamlObject(general, KEYS);
  return Object.hasOwn(scalesOf(yaml), scale) ? { yaml, scale, where: general, file: basename(general) } : undefined;
}

/** Scale of a file that exists under a name with the scale in it, when the file lists it. */
function scaleInName(path: string, yaml: YamlObject): string | undefined {
  const scale = /\d([a-z]\w*)\.ya?ml$/i.exec(basename(path))?.[1];
  return scale !== undefined && Object.hasOwn(scalesOf(yaml), scale) ? scale : undefined;
}

function scalesOf(yaml: YamlObject): YamlObject {
  return typeof yaml.scales === 'object' && yaml.scales !== null ? (yaml.scales as YamlObject) : {};
}
