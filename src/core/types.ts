/**
 * Plain data that several parts share. Letters of shapes, everywhere in this project:
 * B batch, H W image, C channels, A anchors, M labels of an image, K classes, R = 16 bins of a side's distribution.
 */

/** An image in memory: RGB, 8 bits a channel, row by row, [H, W, 3]. */
export interface RgbImage {
  data: Uint8Array;
  width: number;
  height: number;
}

/** x1, y1, x2, y2: left, top, right, bottom. The name of the variable says the unit: boxPx, boxGrid, boxNorm. */
export type Box = [x1: number, y1: number, x2: number, y2: number];

/** One found object; the box in pixels of the image it was found in. */
export interface Detection {
  class: number;
  name: string;
  /** 0..1 */
  confidence: number;
  box: Box;
}

/** Milliseconds an image took, by stage. */
export interface Speed {
  preprocess: number;
  inference: number;
  postprocess: number;
}

/** What prediction yields for an image or a frame; also the line that `json=true` prints. */
export interface PredictResult {
  path: string;
  /** Number of the frame, for video and animated images: from 1, of those that were predicted (`vid_stride` skips some). */
  frame?: number;
  width: number;
  height: number;
  detections: Detection[];
  speed: Speed;
}

/** A weight as it stands in a file: name as in the checkpoint, PyTorch's layout (OIHW for convolutions), float32. */
export interface NamedArray {
  shape: number[];
  data: Float32Array;
}

/** Everything that a model file tells, whatever its format. */
export interface Checkpoint {
  /** Weights and running statistics by name, e.g. `model.2.m.0.cv1.conv.weight`. */
  weights: Map<string, NamedArray>;
  /** Batches that each BatchNorm has seen, by name (`model.0.bn.num_batches_tracked`): kept for PyTorch, of no use here. */
  counters?: Map<string, number>;
  /** Class names by index. */
  names: string[];
  /** The network as in cfg/models/yolov8.yaml, with `scale` chosen and `nc` set; absent in a bare weight file. */
  yaml?: Record<string, unknown>;
  /** Arguments of the training run that made it, as far as the file tells. */
  trainArgs?: Record<string, unknown>;
  /** Anything else worth keeping (epoch, best fitness, date, licence …). */
  info: Record<string, unknown>;
}
