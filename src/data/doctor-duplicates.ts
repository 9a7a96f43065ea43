/**
 * Duplicate images, within a split or in two splits (data leakage: the model is evaluated on images that it was trained
 * on). Files with the same bytes are found by SHA-256, re-encoded copies by a perceptual difference hash.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Split } from '../core/choices.js';
import { progress } from '../core/progress.js';
import { imageFingerprint } from '../image/codec.js';
import type { Dataset, DatasetImage } from './dataset.js';
import type { DoctorNote, NoteKind } from './doctor-note.js';

/** Maximum Hamming distance of near duplicates, of 256 bits; unrelated images differ in about 128, re-encoded ones in 0 to 5. */
const MAX_DISTANCE = 7;
/** Words of a hash, one more than MAX_DISTANCE: two near duplicates have at least one equal word (pigeonhole principle). */
const WORDS = 8;
/** Words that more images than this share are ignored: they come from plain borders. */
const MAX_BUCKET = 64;
const IN_FLIGHT = 8;
const EXAMPLES = 5;

interface Item {
  image: DatasetImage;
  split: Split;
}

interface Pair {
  a: Item;
  b: Item;
  exact: boolean;
}

/** @param same whether two splits of the YAML have the same images on purpose @returns notes about duplicate images */
export async function duplicateNotes(sets: Dataset[], same: (a: Split, b: Split) => boolean): Promise<DoctorNote[]> {
  const notes: DoctorNote[] = [];
  const kept: Dataset[] = [];
  for (const set of sets) {
    const twin = kept.find((other) => same(other.split, set.split));
    if (twin) notes.push(sameSplits(twin, set));
    else kept.push(set);
  }
  const items = kept.flatMap((set) => set.images.map((image) => ({ image, split: set.split })));
  const pairs = [...exactPairs(items), ...(await nearPairs(items))];
  return [...notes, ...pairNotes(pairs)];
}

function sameSplits(a: Dataset, b: Dataset): DoctorNote {
  return {
    level: 'warning',
    kind: 'same-splits',
    split: b.split,
    message: `${a.split} and ${b.split} are the same images`,
    meaning: 'the metrics then measure memorisation, not generalisation to new images; acceptable for a trial run only',
    count: b.images.length,
    examples: [],
  };
}

/** Files of equal size with equal SHA-256. */
function exactPairs(items: Item[]): Pair[] {
  const bySize = groupBy(items, ({ image }) => statSync(image.path, { throwIfNoEntry: false })?.size ?? -1);
  const pairs: Pair[] = [];
  for (const group of bySize.values()) {
    if (group.length < 2) continue;
    const byHash = groupBy(group, ({ image }) => createHash('sha256').update(readFileSync(image.path)).digest('hex'));
    for (const [first, ...rest] of byHash.values()) {
      for (const other of rest) pairs.push({ a: first, b: other, exact: true });
    }
  }
  return pairs;
}

/** @returns the perceptual hash of each image; undefined for an image that cannot be read */
function fingerprints(items: Item[]): Promise<(Uint32Array | undefined)[]> {
  return progress.track({ label: 'Comparing images', unit: 'images', total: items.length }, async (update) => {
    const hashes = new Array<Uint32Array | undefined>(items.length);
    let next = 0;
    let done = 0;
    const work = async (): Promise<void> => {
      while (next < items.length) {
        const i = next++;
        hashes[i] = await imageFingerprint(items[i].image.path).catch(() => undefined);
        update(++done);
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, work));
    return hashes;
  });
}

async function nearPairs(items: Item[]): Promise<Pair[]> {
  const hashes = await fingerprints(items);
  const pairs: Pair[] = [];
  const seen = new Set<string>();
  for (let word = 0; word < WORDS; word++) {
    const buckets = groupBy(
      [...hashes.keys()].filter((i) => hashes[i]),
      (i) => hashes[i]![word],
    );
    for (const bucket of buckets.values()) {
      if (bucket.length < 2 || bucket.length > MAX_BUCKET) continue;
      for (const [i, j] of combinations(bucket)) {
        if (seen.has(`${i} ${j}`) || hammingDistance(hashes[i]!, hashes[j]!) > MAX_DISTANCE) continue;
        seen.add(`${i} ${j}`);
        if (!sameBytes(items[i].image.path, items[j].image.path))
          pairs.push({ a: items[i], b: items[j], exact: false });
      }
    }
  }
  return pairs;
}

function sameBytes(a: string, b: string): boolean {
  return statSync(a).size === statSync(b).size && readFileSync(a).equals(readFileSync(b));
}

function pairNotes(pairs: Pair[]): DoctorNote[] {
  const leak = pairs.filter(({ a, b }) => a.split !== b.split);
  const within = pairs.filter(({ a, b }) => a.split === b.split);
  const contradicting = within.filter(({ a, b }) => !sameLabels(a.image.labels, b.image.labels));
  const make = (
    level: DoctorNote['level'],
    kind: NoteKind,
    list: Pair[],
    message: string,
    meaning: string,
  ): DoctorNote[] =>
    list.length
      ? [
          {
            level,
            kind,
            message: `${list.length} ${message}`,
            meaning,
            count: list.length,
            examples: list.slice(0, EXAMPLES).map(show),
          },
        ]
      : [];
  const leakMeaning =
    'data leakage: the model is evaluated on images that it was trained on, and the metrics are too high; keep each image in one split';
  return [
    ...make(
      'harm',
      'leakage',
      leak.filter((pair) => pair.exact),
      'images are in two splits',
      leakMeaning,
    ),
    ...make(
      'warning',
      'near-leakage',
      leak.filter((pair) => !pair.exact),
      'images are near duplicates of an image in another split',
      leakMeaning,
    ),
    ...make(
      'warning',
      'duplicate-image',
      within.filter((pair) => pair.exact),
      'images are twice in their split',
      'they have twice the weight in training and metrics; remove one of each',
    ),
    ...make(
      'note',
      'near-duplicate-image',
      within.filter((pair) => !pair.exact),
      'images are near duplicates of another image of their split',
      'frames of a video or copies; they add little information',
    ),
    ...make(
      'warning',
      'contradicting-labels',
      contradicting.filter((pair) => pair.exact),
      'pairs of equal images have different labels',
      'the labels of one image contradict each other; keep one of the two',
    ),
  ];
}

function show({ a, b }: Pair): string {
  return `${a.image.path} (${a.split}) = ${b.image.path} (${b.split})`;
}

function sameLabels(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, i) => Math.abs(value - b[i]) < 1e-4);
}

function groupBy<T, K>(items: T[], key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

function* combinations(list: number[]): Generator<[number, number]> {
  for (let i = 0; i < list.length; i++) for (let j = i + 1; j < list.length; j++) yield [list[i], list[j]];
}

function hammingDistance(a: Uint32Array, b: Uint32Array): number {
  let bits = 0;
  for (let k = 0; k < WORDS; k++) {
    let v = a[k] ^ b[k];
    v -= (v >>> 1) & 0x55555555;
    v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
    bits += Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return bits;
}
