/**
 * The same image twice, in one split or, worse, in two: the model is then tested on what it was trained on. Files with
 * the same bytes are found by hash, the same image saved anew by a difference hash.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Split } from '../core/choices.js';
import { progress } from '../core/progress.js';
import { imageFingerprint } from '../image/codec.js';
import type { Dataset, DatasetImage } from './dataset.js';
import type { DoctorNote, NoteKind } from './doctor-note.js';

/** Of 256 bits; unrelated images differ in about 128, an image saved anew in 0 to 5. */
const NEAR = 7;
/** One more part than bits that may differ: at least one part is then equal. */
const PARTS = 8;
/** Parts that more images share than this say nothing (plain borders). */
const COMMON = 64;
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

/** @param same whether two splits are the same images on purpose */
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
    meaning: 'figures then say how well the images were learnt by heart, nothing about new ones; fine for a trial run',
    count: b.images.length,
    examples: [],
  };
}

/** Files of one size are compared by their hash. */
function exactPairs(items: Item[]): Pair[] {
  const bySize = groupBy(items, ({ image }) => statSync(image.path, { throwIfNoEntry: false })?.size ?? -1);
  const pairs: Pair[] = [];
  for (const group of bySize.values()) {
    if (group.length < 2) continue;
    const byHash = groupBy(group, ({ image }) => createHash('sha256').update(readFileSync(image.path)).digest('hex'));
    for (const [first, ...rest] of byHash.values()) {
      for (const other of rest) pairs.push(ordered(first, other, true));
    }
  }
  return pairs;
}

/** @returns a fingerprint an image; undefined for one that can't be read */
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
  for (let part = 0; part < PARTS; part++) {
    const buckets = groupBy(
      [...hashes.keys()].filter((i) => hashes[i]),
      (i) => hashes[i]![part],
    );
    for (const bucket of buckets.values()) {
      if (bucket.length < 2 || bucket.length > COMMON) continue;
      for (const [i, j] of combinations(bucket)) {
        if (seen.has(`${i} ${j}`) || distance(hashes[i]!, hashes[j]!) > NEAR) continue;
        seen.add(`${i} ${j}`);
        if (!sameBytes(items[i].image.path, items[j].image.path)) pairs.push(ordered(items[i], items[j], false));
      }
    }
  }
  return pairs;
}

function sameBytes(a: string, b: string): boolean {
  return statSync(a).size === statSync(b).size && readFileSync(a).equals(readFileSync(b));
}

function ordered(a: Item, b: Item, exact: boolean): Pair {
  return { a, b, exact };
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
    'the model is tested on what it was trained on, and the figures are too good: keep each image in one split';
  return [
    ...make(
      'harm',
      'leakage',
      leak.filter((pair) => pair.exact),
      'images stand in two splits',
      leakMeaning,
    ),
    ...make(
      'warning',
      'near-leakage',
      leak.filter((pair) => !pair.exact),
      'images look the same as one in another split',
      leakMeaning,
    ),
    ...make(
      'warning',
      'duplicate-image',
      within.filter((pair) => pair.exact),
      'images stand twice in their split',
      'they count double; remove one of each',
    ),
    ...make(
      'note',
      'near-duplicate-image',
      within.filter((pair) => !pair.exact),
      'images look the same as another of their split',
      'frames of a video or copies: they teach little more than one of them',
    ),
    ...make(
      'warning',
      'contradicting-labels',
      contradicting.filter((pair) => pair.exact),
      'pairs of equal images have different labels',
      'the model is told two things about one image: decide for one of the label files',
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

function distance(a: Uint32Array, b: Uint32Array): number {
  let bits = 0;
  for (let k = 0; k < PARTS; k++) {
    let v = a[k] ^ b[k];
    v -= (v >>> 1) & 0x55555555;
    v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
    bits += Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
  }
  return bits;
}
