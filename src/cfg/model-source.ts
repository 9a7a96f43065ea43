/**
 * Finds and reads the file that describes a network. `yolov8n.yaml` need not exist: it names the packaged
 * cfg/models/yolov8.yaml with scale `n`; the same holds beside a file of the user's own (`nets/yolov8tiny.yaml` is
 * `nets/yolov8.yaml` with scale `tiny`, when that file lists it).
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';
import { messageOf, UserError } from '../core/errors.js';

export type YamlObject = Record<string, unknown>;

export interface ModelSource {
  yaml: YamlObject;
  /** Scale that the file's name asks for, e.g. 'n' for yolov8n.yaml. */
  scale?: string;
  /** What to call it in messages. */
  where: string;
}

/** Folder of the networks that come with this package. */
export const modelsDir = fileURLToPath(new URL('../../cfg/models/', import.meta.url));

/**
 * @param source path or name of a YAML file, YAML text (has a line break), or the parsed object
 * @throws UserError missing-file, bad-yaml
 */
export function readModelSource(source: string | YamlObject): ModelSource {
  if (typeof source !== 'string') return { yaml: source, where: 'the model description' };
  if (source.includes('\n'))
    return { yaml: parseYaml(source, 'the model description'), where: 'the model description' };
  for (const folder of [dirname(source), modelsDir]) {
    const path = folder === modelsDir ? join(modelsDir, basename(source)) : source;
    if (existsSync(path)) {
      const yaml = parseYaml(readText(path), path);
      return { yaml, where: path, scale: scaleInName(path, yaml) };
    }
    const general = generalFile(path);
    if (general) return general;
  }
  const known = readdirSync(modelsDir)
    .filter((name) => name.endsWith('.yaml'))
    .join(', ');
  throw new UserError(
    'missing-file',
    `no model description '${source}': neither here nor among those of this package (${known})`,
    'Names such as yolov8n.yaml, yolov8s.yaml … yolov8x.yaml are known; another file is given by its path (model=path/to/my.yaml)',
  );
}

/** `dir/yolov8n.yaml`, which doesn't exist, as `dir/yolov8.yaml` with scale `n`, when that file has such a scale. */
function generalFile(path: string): ModelSource | undefined {
  const match = /^(.*\d)([a-z]\w*)(\.ya?ml)$/i.exec(basename(path));
  if (!match) return undefined;
  const [, stem, scale, extension] = match;
  const general = join(dirname(path), stem + extension);
  if (!existsSync(general)) return undefined;
  const yaml = parseYaml(readText(general), general);
  return scale in scalesOf(yaml) ? { yaml, scale, where: general } : undefined;
}

/** Scale of a file that exists under a name with the scale in it, when the file lists it. */
function scaleInName(path: string, yaml: YamlObject): string | undefined {
  const scale = /\d([a-z]\w*)\.ya?ml$/i.exec(basename(path))?.[1];
  return scale !== undefined && scale in scalesOf(yaml) ? scale : undefined;
}

function scalesOf(yaml: YamlObject): YamlObject {
  return typeof yaml.scales === 'object' && yaml.scales !== null ? (yaml.scales as YamlObject) : {};
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError('unreadable-file', `${path} can't be read: ${messageOf(error)}`);
  }
}

function parseYaml(text: string, where: string): YamlObject {
  let yaml: unknown;
  try {
    yaml = load(text);
  } catch (error) {
    throw new UserError('bad-yaml', `${where} is not valid YAML: ${messageOf(error).split('\n')[0]}`);
  }
  if (typeof yaml !== 'object' || yaml === null || Array.isArray(yaml))
    throw new UserError('bad-yaml', `${where} should hold keys (nc, scales, backbone, head), but holds none`);
  return yaml as YamlObject;
}
