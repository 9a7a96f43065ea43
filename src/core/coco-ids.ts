/**
 * COCO's category ids. Its 80 classes have ids from 1 to 90 with gaps (categories without objects in the releases of 2014
 * to 2017); COCO's evaluation code expects these ids.
 */
const GAPS = new Set([12, 26, 29, 30, 45, 66, 68, 69, 71, 83]);
const IDS = Array.from({ length: 90 }, (_, i) => i + 1).filter((id) => !GAPS.has(id));

/** @returns category id of each class: COCO's ids if the names are COCO's 80 classes, else the class indices */
export function categoryIds(names: readonly string[]): number[] {
  const isCoco = names.length === 80 && names[0] === 'person' && names[79] === 'toothbrush';
  return isCoco ? IDS : names.map((_, i) => i);
}

/** @param stem file name without extension @returns the image id: a number if the name is one, as in COCO, else the name */
export function imageId(stem: string): number | string {
  return /^\d{1,15}$/.test(stem) ? Number(stem) : stem;
}
