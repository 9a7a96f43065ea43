/**
 * Finds and reads model descriptions. `yolov8n.yaml` need not exist: it is the packaged cfg/models/yolov8.yaml with scale
 * `n`. The same applies to users' files: `nets/yolov8tiny.yaml` is `nets/yolov8.yaml` with scale `tiny` if that is listed.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asObject, parseYaml, readYamlObject, type YamlObject } from '../cfg/yaml.js';
import { cut } from '../core/brief.js';
import { UserError } from '../core/errors.js';

/** A model description. */
export interface ModelSource {
  yaml: YamlObject;
  /** Scale in the name of the file, e.g. 'n' for yolov8n.yaml. */
  scale?: string;
  /** Name for messages. */
  where: string;
  /** Name of the file, which is stored in checkpoints: `yolov8.yaml`. */
  file?: string;
}

/** Folder of the packaged descriptions. */
const modelsDir = fileURLToPath(new URL('../../cfg/models/', import.meta.url));

/** Name in messages of a description that is not in a file. */
const WHERE = 'the model description';
const KEYS = 'nc, scales, backbone, head';

/**
 * @param source path or name of a YAML file, YAML text (with a line break), or the parsed object
 * @throws UserError 'missing-file', 'bad-yaml'
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
    const scaled = withScaleInName(path);
    if (scaled) return scaled;
  }
  const known = packagedFiles().join(', ');
  throw new UserError(
    'missing-file',
    `no model description '${cut(source, 200)}': neither here nor among those of this package (${known})`,
    'Names such as yolov8n.yaml … yolov8x.yaml and yolo11n.yaml … yolo11x.yaml are known; another file is given by its path (model=path/to/my.yaml)',
  );
}

/** Packaged descriptions and their scales. */
export function packagedModels(): { file: string; scales: string[] }[] {
  return packagedFiles().map((file) => {
    const yaml = readYamlObject(join(modelsDir, file), KEYS);
    return { file, scales: Object.keys(scalesOf(yaml)) };
  });
}

function packagedFiles(): string[] {
  return readdirSync(modelsDir).filter((name) => name.endsWith('.yaml'));
}

/** A description that is not in a file; one from a checkpoint contains the name of its file. */
function withoutFile(yaml: YamlObject): ModelSource {
  return { yaml, where: WHERE, file: typeof yaml.yaml_file === 'string' ? basename(yaml.yaml_file) : undefined };
}

/** For `dir/yolov8n.yaml`, which does not exist: `dir/yolov8.yaml` with scale `n`, if that file has such a scale. */
function withScaleInName(path: string): ModelSource | undefined {
  const match = /^(.*\d)([a-z]\w*)(\.ya?ml)$/i.exec(basename(path));
  if (!match) return undefined;
  const [, stem, scale, extension] = match;
  const general = join(dirname(path), stem + extension);
  if (!existsSync(general)) return undefined;
  const yaml = readYamlObject(general, KEYS);
  return Object.hasOwn(scalesOf(yaml), scale) ? { yaml, scale, where: general, file: basename(general) } : undefined;
}

/** Scale in the name of an existing file, if the file has such a scale. */
function scaleInName(path: string, yaml: YamlObject): string | undefined {
  const scale = /\d([a-z]\w*)\.ya?ml$/i.exec(basename(path))?.[1];
  return scale !== undefined && Object.hasOwn(scalesOf(yaml), scale) ? scale : undefined;
}

function scalesOf(yaml: YamlObject): YamlObject {
  return typeof yaml.scales === 'object' && yaml.scales !== null ? (yaml.scales as YamlObject) : {};
}
