/**
 * COCO's category ids of its 80 classes run to 90 with gaps (ids without objects in the 2014 to 2017 releases): evaluators
 * of COCO's files expect them.
 */
const GAPS = new Set([12, 26, 29, 30, 45, 66, 68, 69, 71, 83]);
const IDS = Array.from({ length: 90 }, (_, i) => i + 1).filter((id) => !GAPS.has(id));

/** @returns category ids by class: COCO's own for COCO's 80 classes, else the class numbers themselves */
export function categoryIds(names: readonly string[]): number[] {
  const isCoco = names.length === 80 && names[0] === 'person' && names[79] === 'toothbrush';
  return isCoco ? IDS : names.map((_, i) => i);
}

/** COCO's images are called by their number; others keep their name. @param stem file name without ending */
export function imageId(stem: string): number | string {
  return /^\d{1,15}$/.test(stem) ? Number(stem) : stem;
}
