/**
 * Reads the YAML file of the option `zones`: polygons and lines by name, each a list of points [x, y].
 *
 * ```yaml
 * polygons:
 *   crossing: [[0.1, 0.6], [0.9, 0.6], [0.9, 1], [0.1, 1]]
 * lines:
 *   gate: [[0, 0.5], [1, 0.5]]
 * ```
 *
 * The points are fractions of the image size if all coordinates of the file are from 0 to 1, otherwise pixels.
 */
import { readYamlObject } from '../../cfg/yaml.js';
import { brief } from '../../core/brief.js';
import { UserError } from '../../core/errors.js';
import { similar, similarText } from '../../core/suggest.js';
import type { Point } from '../../core/types.js';
import type { Zone } from '../../track/zones.js';

const KEYS = ['polygons', 'lines'];
const EXAMPLE = 'for example: lines: {gate: [[0, 0.5], [1, 0.5]]}';

type Shape = Omit<Zone, 'unit'>;

/** Reads the zones of a file. @throws UserError 'bad-zones', and as readYamlObject */
export function readZones(file: string): Zone[] {
  const raw = readYamlObject(file, 'polygons and lines', `zones=${file}`);
  for (const key of Object.keys(raw)) if (!KEYS.includes(key)) throw unknownKey(file, key);
  const shapes = [...shapesOf(file, 'polygon', raw.polygons), ...shapesOf(file, 'line', raw.lines)];
  if (shapes.length === 0) throw bad(file, 'it has neither polygons nor lines');
  const names = shapes.map(({ name }) => name);
  const double = names.find((name, i) => names.indexOf(name) < i);
  if (double !== undefined) throw bad(file, `a polygon and a line have the same name '${double}'`);
  const fractions = shapes.filter(({ points }) => points.flat().every((x) => x >= 0 && x <= 1));
  if (fractions.length === 0 || fractions.length === shapes.length) {
    const unit = fractions.length > 0 ? 'fraction' : 'pixel';
    return shapes.map((shape) => ({ ...shape, unit }));
  }
  const pixels = shapes.find((shape) => !fractions.includes(shape));
  const text = `'${fractions[0].name}' has fractions of the image size, '${pixels?.name}' has pixels`;
  throw bad(file, text, 'use the same unit for all zones');
}

function bad(file: string, text: string, hint = EXAMPLE): UserError {
  return new UserError('bad-zones', `${file}: ${text}`, hint);
}

function unknownKey(file: string, key: string): UserError {
  return bad(file, `'${key}' is neither polygons nor lines${similarText(similar(key, KEYS))}`);
}

function shapesOf(file: string, type: Zone['type'], raw: unknown): Shape[] {
  if (raw === undefined || raw === null) return [];
  if (typeof raw !== 'object' || Array.isArray(raw))
    throw bad(file, `'${type}s' must hold names with their points, got ${brief(raw)}`);
  return Object.entries(raw).map(([name, points]) => ({ name, type, points: pointsOf(file, type, name, points) }));
}

function pointsOf(file: string, type: Zone['type'], name: string, raw: unknown): Point[] {
  const what = type === 'line' ? 'two points' : 'at least three points';
  const isPoint = (p: unknown): p is Point => Array.isArray(p) && p.length === 2 && p.every(Number.isFinite);
  const count = Array.isArray(raw) ? raw.length : 0;
  if (!Array.isArray(raw) || !raw.every(isPoint) || (type === 'line' ? count !== 2 : count < 3))
    throw bad(file, `${type} '${name}' takes ${what} [x, y], got ${brief(raw)}`);
  const [[x, y]] = raw;
  const isFlat = raw.every(([ax, ay]) => raw.every(([bx, by]) => (ax - x) * (by - y) === (ay - y) * (bx - x)));
  if (type === 'line' ? raw.every((p) => p[0] === x && p[1] === y) : isFlat)
    throw bad(file, `${type} '${name}' has no ${type === 'line' ? 'length' : 'area'}: ${brief(raw)}`);
  return raw;
}
