/**
 * Draws the images of data=shapes: a textured background with objects of several classes. The class of an object is its
 * outline; colour, texture, size, rotation and position are independent of it.
 */
import { boxArea, boxIntersection, pxToNorm, xyxyToXywh } from '../core/boxes.js';
import type { Rng } from '../core/rng.js';
import type { RgbImage } from '../core/types.js';

type Colour = [r: number, g: number, b: number];

/** Whether a point is inside the object; u to the right, v down, in −1..1. */
type Inside = (u: number, v: number) => boolean;

/** Shapes by class name, in the order of the class numbers. */
export const KINDS: Record<string, Inside> = {
  circle: (u, v) => u * u + v * v < 1,
  square: (u, v) => Math.max(Math.abs(u), Math.abs(v)) < 0.85,
  triangle: (u, v) => v < 0.6 && Math.abs(u) < (v + 1) * 0.6,
  star: insideStar,
  cross: (u, v) => Math.min(Math.abs(u), Math.abs(v)) < 0.3 && Math.max(Math.abs(u), Math.abs(v)) < 0.95,
  ring: (u, v) => u * u + v * v < 1 && u * u + v * v > 0.36,
  crescent: (u, v) => u * u + v * v < 1 && (u - 0.55) ** 2 + v * v > 0.64,
  arrow: (u, v) => (u < 0.1 ? Math.abs(v) < 0.25 && u > -1 : Math.abs(v) < 0.9 * (1 - u)),
};

/** The outer corners of a five-pointed star have radius 1, the inner ones this. */
const STAR_INNER = 0.45;

function insideStar(u: number, v: number): boolean {
  const radius = Math.hypot(u, v);
  const sector = Math.PI / 5;
  // Reduced by symmetry to half a point of the star: the outer corner at angle 0, the inner one at `sector`.
  const turn = Math.atan2(u, -v) + 2 * Math.PI;
  const angle = Math.abs(((turn + sector) % (2 * sector)) - sector);
  const [x, y] = [radius * Math.cos(angle), radius * Math.sin(angle)];
  const [ix, iy] = [STAR_INNER * Math.cos(sector), STAR_INNER * Math.sin(sector)];
  return (x - 1) * iy - y * (ix - 1) < 0;
}

/** Settings of an image. */
export interface SceneSettings {
  /** Long side, pixels. */
  size: number;
  /** Number of classes: the first of KINDS. */
  classes: number;
  /** Maximum number of objects in an image. */
  objects: number;
  /** Scale of the objects; at 0.25 their sides are a quarter of those at 1. */
  scale: number;
  /** 0 (large objects, plain background) to 1 (small, rotated, overlapping objects, busy background). */
  difficulty: number;
}

/** An image and its labels. */
export interface DrawnScene {
  image: RgbImage;
  /** [M][5] class cx cy w h in 0..1. */
  labels: number[][];
}

/** Samples of a pixel along each side, for antialiasing. */
const SAMPLES = 3;
/** Minimum fraction of an object's box inside the image … */
const MIN_INSIDE = 0.55;
/** … and maximum overlap of boxes (intersection over the smaller area), at difficulty 0 and 1. */
const OVERLAP = [0.05, 0.4];
/** Maximum number of positions that are tried for each object. */
const PLACE_TRIES = 12;

/** Draws an image. @param random the only source of randomness: equal seeds give equal images */
export function drawScene(settings: SceneSettings, random: Rng): DrawnScene {
  const { size, scale, difficulty } = settings;
  // Landscape, square and portrait images.
  const sides = [size, Math.round((size * random.uniform(0.7, 1)) / 2) * 2];
  const [width, height] = random.next() < 0.5 ? sides : sides.reverse();
  const base = randomColour(random);
  const image = background(width, height, base, difficulty, random);
  const boxes: number[][] = [];
  const labels: number[][] = [];
  const wanted = 1 + random.int(settings.objects);
  for (let tries = 0; labels.length < wanted && tries < wanted * PLACE_TRIES; tries++) {
    const kind = random.int(settings.classes);
    const radius =
      scale * (size / 2) * random.uniform(0.36 - 0.26 * difficulty, 0.44 - 0.1 * difficulty) * random.uniform(0.5, 1);
    const place = [random.uniform(0, width), random.uniform(0, height)];
    const angle = random.uniform(-1, 1) * (0.3 + (Math.PI - 0.3) * difficulty);
    const object = { inside: Object.values(KINDS)[kind], radius, stretch: random.uniform(0.8, 1.25), angle, place };
    if (!fits(boxOf(object), width, height, boxes, difficulty)) continue;
    const box = paintObject(image, object, objectPaint(base, difficulty, random));
    boxes.push(box);
    labels.push([kind, ...pxToNorm(xyxyToXywh(box), image)]);
  }
  return { image, labels };
}

interface Placed {
  inside: Inside;
  radius: number;
  /** Width / height before rotation is stretch². */
  stretch: number;
  /** Radians. */
  angle: number;
  /** Centre x, y, pixels. */
  place: number[];
}

/** A square that contains the object, x1 y1 x2 y2. */
function boxOf({ radius, stretch, place: [x, y] }: Placed): number[] {
  const reach = radius * Math.max(stretch, 1 / stretch);
  return [x - reach, y - reach, x + reach, y + reach];
}

function fits(box: number[], width: number, height: number, others: number[][], difficulty: number): boolean {
  if (boxIntersection(box, 0, [0, 0, width, height], 0) < MIN_INSIDE * boxArea(box)) return false;
  const most = OVERLAP[0] + (OVERLAP[1] - OVERLAP[0]) * difficulty;
  return others.every((other) => boxIntersection(box, 0, other, 0) <= most * Math.min(boxArea(box), boxArea(other)));
}

/** Paints an object. @returns x1 y1 x2 y2, the bounding box of its part inside the image, with a precision of 1/3 pixel */
function paintObject(image: RgbImage, object: Placed, paint: (u: number, v: number) => Colour): number[] {
  const { width, height, data } = image;
  const { radius, stretch, angle, place, inside } = object;
  const [left, top, right, bottom] = boxOf(object);
  const [x0, x1] = [Math.max(0, Math.floor(left)), Math.min(width, Math.ceil(right))];
  const [y0, y1] = [Math.max(0, Math.floor(top)), Math.min(height, Math.ceil(bottom))];
  const [cos, sin] = [Math.cos(angle) / radius, Math.sin(angle) / radius];
  const hit = (x: number, y: number): boolean => {
    const [dx, dy] = [x - place[0], y - place[1]];
    return inside((cos * dx + sin * dy) / stretch, (cos * dy - sin * dx) * stretch);
  };
  const box = [width, height, 0, 0];
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const part = coverage(hit, x, y, box);
      if (!part) continue;
      const colour = paint((x - place[0]) / radius, (y - place[1]) / radius);
      const i = (y * width + x) * 3;
      for (let c = 0; c < 3; c++) data[i + c] = clamp(data[i + c] * (1 - part) + colour[c] * part);
    }
  }
  return box;
}

/** The fraction of pixel x, y for which `hit` returns true, 0..1; `box` is extended to contain it. */
function coverage(hit: (x: number, y: number) => boolean, x: number, y: number, box: number[]): number {
  const step = 1 / SAMPLES;
  const [near, far] = [step / 2, 1 - step / 2];
  const corners = [hit(x + near, y + near), hit(x + far, y + near), hit(x + near, y + far), hit(x + far, y + far)];
  if (!corners.includes(true)) return 0;
  const whole = !corners.includes(false);
  if (whole && x >= box[0] && x + 1 <= box[2] && y >= box[1] && y + 1 <= box[3]) return 1;
  let hits = 0;
  for (let k = 0; k < SAMPLES * SAMPLES; k++) {
    const [left, top] = [x + (k % SAMPLES) * step, y + Math.floor(k / SAMPLES) * step];
    if (!whole && !hit(left + step / 2, top + step / 2)) continue;
    hits++;
    box[0] = Math.min(box[0], left);
    box[1] = Math.min(box[1], top);
    box[2] = Math.max(box[2], left + step);
    box[3] = Math.max(box[3], top + step);
  }
  return hits / (SAMPLES * SAMPLES);
}

/** Colour of an object by position: different from the background, with a linear gradient, sometimes with stripes. */
function objectPaint(base: Colour, difficulty: number, random: Rng): (u: number, v: number) => Colour {
  let colour = randomColour(random);
  for (let i = 0; i < 20 && distance(colour, base) < 150 - 70 * difficulty; i++) colour = randomColour(random);
  const light = random.uniform(0, 2 * Math.PI);
  const stripes = random.next() < 0.4 ? random.uniform(10, 35) * (0.4 + difficulty) : 0;
  const [a, b] = [random.uniform(3, 12), random.uniform(-12, 12)];
  return (u, v) => {
    const shade = 22 * (u * Math.cos(light) + v * Math.sin(light)) + (Math.sin(a * u + b * v) > 0 ? stripes : -stripes);
    return [colour[0] + shade, colour[1] + shade, colour[2] + shade];
  };
}

/** Value noise with three octaves between two colours, sometimes with bars. */
function background(width: number, height: number, base: Colour, difficulty: number, random: Rng): RgbImage {
  const data = new Uint8Array(width * height * 3);
  const second = base.map((v) => v + random.uniform(-1, 1) * (45 + 60 * difficulty)) as Colour;
  const blend = new Float32Array(width * height);
  addNoise(blend, width, random.uniform(50, 120), 0.5, random);
  addNoise(blend, width, random.uniform(14, 40), 0.3, random);
  addNoise(blend, width, random.uniform(4, 10), 0.2, random);
  const bars = random.next() < 0.3 + 0.4 * difficulty ? random.uniform(6, 14) * (0.5 + difficulty) : 0;
  const [a, b] = [random.uniform(-0.25, 0.25), random.uniform(-0.25, 0.25)];
  for (let p = 0, i = 0; p < blend.length; p++, i += 3) {
    const y = Math.floor(p / width);
    const bar = bars && Math.sin(a * (p - y * width) + b * y) > 0.4 ? bars : 0;
    for (let c = 0; c < 3; c++) data[i + c] = clamp(base[c] + (second[c] - base[c]) * blend[p] + bar);
  }
  return { data, width, height };
}

/** Adds value noise in 0..weight: random values on a grid of `cell` pixels, interpolated. @param out [height, width] */
function addNoise(out: Float32Array, width: number, cell: number, weight: number, random: Rng): void {
  const height = out.length / width;
  const columns = Math.ceil(width / cell) + 2;
  const grid = Float32Array.from({ length: columns * (Math.ceil(height / cell) + 2) }, () => random.next() * weight);
  const smooth = (t: number): number => t * t * (3 - 2 * t);
  const at = Int32Array.from({ length: width }, (_, x) => Math.floor(x / cell));
  const part = Float32Array.from({ length: width }, (_, x) => smooth(x / cell - at[x]));
  for (let y = 0; y < height; y++) {
    const row = Math.floor(y / cell);
    const down = smooth(y / cell - row);
    for (let x = 0; x < width; x++) {
      const i = row * columns + at[x];
      const upper = grid[i] + (grid[i + 1] - grid[i]) * part[x];
      const lower = grid[i + columns] + (grid[i + columns + 1] - grid[i + columns]) * part[x];
      out[y * width + x] += upper + (lower - upper) * down;
    }
  }
}

function randomColour(random: Rng): Colour {
  return [random.uniform(20, 235), random.uniform(20, 235), random.uniform(20, 235)];
}

function distance(a: Colour, b: Colour): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

function clamp(v: number): number {
  return Math.min(Math.max(v, 0), 255);
}
