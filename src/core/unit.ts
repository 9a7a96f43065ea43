/** v / 255 as float32 computes v · (1/255): what the network is given while predicting from weights. */
const UNIT = Float32Array.from({ length: 256 }, (_, v) => v * Math.fround(1 / 255));

/** Images [B, H, W, 3] 0..255 → `count` numbers 0..1; those beyond the images are 0. */
export function toUnit(images: Uint8Array, count: number): Float32Array {
  const out = new Float32Array(count);
  for (let i = 0; i < images.length; i++) out[i] = UNIT[images[i]];
  return out;
}
