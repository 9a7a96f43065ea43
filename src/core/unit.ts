/** Normalization of pixels to 0..1. The table holds v · float32(1/255): the graph of the network computes the same. */
const UNIT = Float32Array.from({ length: 256 }, (_, v) => v * Math.fround(1 / 255));

/** @param images [B, H, W, 3] 0..255 @returns `count` numbers 0..1, padded with zeros (the rest of a partial batch) */
export function toUnit(images: Uint8Array, count: number): Float32Array {
  const out = new Float32Array(count);
  for (let i = 0; i < images.length; i++) out[i] = UNIT[images[i]];
  return out;
}
