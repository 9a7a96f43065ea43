/** Images and labels as the loader hands them to training. */

export interface Batch {
  /** [B, H, W, 3] RGB. Memory of the loader: valid until the next batch is asked for. */
  images: Uint8Array;
  shape: [B: number, H: number, W: number];
  /** One per image: [M, 5] class x1 y1 x2 y2, pixels of the network's input (H, W), as losses and drawings take them. */
  labels: Float32Array[];
  paths: string[];
  /** Of the images in their dataset. */
  indices: number[];
  /** Pixels of the images as they are on disk. */
  original: { width: number; height: number }[];
}
