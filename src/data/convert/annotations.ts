/** The common representation of all annotation formats: images with boxes in pixels, by split. */
import { extname } from 'node:path';
import type { Box } from '../../core/types.js';
import { fileIdentity } from '../../core/written-path.js';
import type { Finding } from '../finding.js';

/** An image and its objects; sizes and boxes in pixels. */
export interface AnnotatedImage {
  /** Absolute path of the image; undefined when it was not found. */
  path?: string;
  /** Path relative to the split's folder, with `/`. */
  name: string;
  width: number;
  height: number;
  objects: { class: number; box: Box }[];
}

/** What a reader returns and a writer takes. */
export interface Annotations {
  /** Class names by index. */
  names: string[];
  /** Images by split, each in a fixed order. */
  splits: Map<string, AnnotatedImage[]>;
  findings: Finding[];
}

/** The name as a relative path without `..`, so that images are written below the output folder only. */
export function nameBelow(fileName: string): string {
  const parts = String(fileName).split(/[\\/]+/);
  return parts.filter((part) => !['', '.', '..'].includes(part) && !/^[a-z]:$/i.test(part)).join('/') || 'image';
}

/**
 * Renames images of a folder whose stems would be one file on this system, since labels have the stems: x.png, x-2.png,
 * x-3.png …
 */
export function distinctNames(images: readonly AnnotatedImage[], platform?: string): AnnotatedImage[] {
  const stemOf = (name: string): string => name.slice(0, name.length - extname(name).length);
  const all = new Set(images.map(({ name }) => fileIdentity(stemOf(name), platform)));
  const used = new Set<string>();
  return images.map((image) => {
    const stem = stemOf(image.name);
    let own = stem;
    for (let n = 2; used.has(fileIdentity(own, platform)); n++) {
      own = `${stem}-${n}`;
      if (all.has(fileIdentity(own, platform))) own = stem;
    }
    used.add(fileIdentity(own, platform));
    return own === stem ? image : { ...image, name: own + extname(image.name) };
  });
}

/**
 * Clips a box to its image and adds a finding when the box is invalid or extends beyond the image.
 * @returns undefined when the box is invalid or has no area inside the image
 */
export function usableBox(
  [x1, y1, x2, y2]: Box,
  { width, height }: { width: number; height: number },
  where: { file: string; line?: number; object: string },
  findings: Finding[],
): Box | undefined {
  const { file, line, object } = where;
  const say = (kind: Finding['kind'], message: string): void => {
    findings.push({ kind, severity: 'warning', file, line, message: `${object}: ${message}` });
  };
  if (![x1, y1, x2, y2].every(Number.isFinite)) {
    say('not-a-number', 'a coordinate of the box is not a number; the box is dropped');
    return undefined;
  }
  if (x2 < x1 || y2 < y1) {
    say('negative-size', `negative size ${x2 - x1} x ${y2 - y1}; the box is dropped`);
    return undefined;
  }
  const cut: Box = [clip(x1, width), clip(y1, height), clip(x2, width), clip(y2, height)];
  const off = Math.max(...cut.map((value, k) => Math.abs(value - [x1, y1, x2, y2][k])));
  if (cut[2] <= cut[0] || cut[3] <= cut[1]) {
    say(
      'empty-box',
      `no area inside the image (${[x1, y1, x2, y2].join(' ')} in ${width} x ${height}); the box is dropped`,
    );
    return undefined;
  }
  if (off > 0.01 * Math.max(width, height))
    say('out-of-range', `the box extends ${off.toFixed(1)} pixels beyond the image; it is clipped`);
  return cut;
}

function clip(value: number, limit: number): number {
  return Math.min(Math.max(value, 0), limit);
}
