/**
 * Plain data types that several folders share. Letters of shapes, throughout the project: B batch, H W image height and
 * width, C channels, A anchor points, M labels of an image, K classes, R = 16 bins of the distribution of a box side.
 */

/** An image in memory: RGB, 8 bits a channel, row by row, [H, W, 3]. */
export interface RgbImage {
  data: Uint8Array;
  width: number;
  height: number;
}

/** Left, top, right, bottom. The unit is in the name of the variable: boxPx, boxGrid, boxNorm. */
export type Box = [x1: number, y1: number, x2: number, y2: number];

/** A point of an image. */
export type Point = readonly [x: number, y: number];

/** A detected object; the box in pixels of the image. */
export interface Detection {
  class: number;
  name: string;
  /** 0..1 */
  confidence: number;
  box: Box;
  /** Number of its track, from 1; only in results of tracking. */
  id?: number;
}

/** Milliseconds per image, by stage. */
export interface Speed {
  preprocess: number;
  inference: number;
  postprocess: number;
}

/** Prediction of an image or a frame; also the line that `json=true` prints. */
export interface PredictResult {
  path: string;
  /** For video and animated images: index of the frame, from 1, among those predicted (`vid_stride` skips some). */
  frame?: number;
  width: number;
  height: number;
  detections: Detection[];
  speed: Speed;
}

/** A weight as stored in a checkpoint: float32, in PyTorch's layout (OIHW for convolutions). */
export interface NamedArray {
  shape: number[];
  data: Float32Array;
}

/** Contents of a model file of any format. */
export interface Checkpoint {
  /** Weights and running statistics by name, e.g. `model.2.m.0.cv1.conv.weight`. */
  weights: Map<string, NamedArray>;
  /** num_batches_tracked of each BatchNorm by name (`model.0.bn.num_batches_tracked`); only written back for PyTorch. */
  counters?: Map<string, number>;
  /** Class names by index. */
  names: string[];
  /** The network as in cfg/models/yolov8.yaml, with `scale` chosen and `nc` set; absent in a bare weight file. */
  yaml?: Record<string, unknown>;
  /** Arguments of the training run, if the file contains them. */
  trainArgs?: Record<string, unknown>;
  /** Other metadata (epoch, best fitness, date, licence …). */
  info: Record<string, unknown>;
}
