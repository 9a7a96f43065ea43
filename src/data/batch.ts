/** A batch of images and labels for training. */
export interface Batch {
  /** [B, H, W, 3] RGB. A view of the loader's memory: valid until the next batch is requested. */
  images: Uint8Array;
  shape: [B: number, H: number, W: number];
  /** For each image [M, 5]: class x1 y1 x2 y2, pixels of the network's input (H, W). */
  labels: Float32Array[];
  paths: string[];
  /** Index of each image in the dataset. */
  indices: number[];
  /** Size of each image file, pixels. */
  original: { width: number; height: number }[];
  /** Number of images of the whole batch, of which other processes may have parts. */
  whole: number;
  /** True for an image that stands in for none: this part of the batch is empty. */
  idle: boolean;
}
