/**
 * Detection in a browser with an exported TensorFlow.js model, with the modules for letterbox and non-maximum suppression
 * of `yolo predict`. The build bundles them with this file, and `yolo export format=tfjs` writes the bundle as yolo.js with
 * its type declarations; exports of this file must therefore not use types of other modules.
 */
import { DETECTION, unletterbox } from '../core/boxes.js';
import type { RgbImage } from '../core/types.js';
import { toUnit } from '../core/unit.js';
import { detectionsOf, toDetections } from '../detect/detections.js';
import { letterbox } from '../image/letterbox.js';

/** A detected object; the box in pixels of the image. */
export interface Detection {
  class: number;
  name: string;
  /** 0..1 */
  confidence: number;
  box: [x1: number, y1: number, x2: number, y2: number];
}

/** Options of detection. */
export interface DetectOptions {
  /** Confidence threshold, 0..1. Default: 0.25. */
  conf?: number;
  /** IoU threshold of non-maximum suppression. Default: 0.7. */
  iou?: number;
  /** Maximum number of detections. Default: 300. */
  maxDet?: number;
  /** Restrict to these class indices. Default: all. */
  classes?: readonly number[];
  /** Suppress overlapping boxes of different classes, too. */
  agnostic?: boolean;
}

/** RGBA pixels, as getImageData of a canvas returns. */
export interface Pixels {
  data: Uint8ClampedArray | Uint8Array;
  width: number;
  height: number;
}

/** An object that a canvas can draw: an image, a video, a canvas, an ImageBitmap. */
export interface Drawable {
  width: number | object;
  height: number | object;
  naturalWidth?: number;
  naturalHeight?: number;
  videoWidth?: number;
  videoHeight?: number;
}

/** The functions of TensorFlow.js that are used. */
export interface TensorFlow {
  loadGraphModel(url: string): Promise<Model>;
  tensor4d(values: Float32Array, shape: [number, number, number, number]): Tensor;
}

interface Tensor {
  shape: number[];
  data(): Promise<ArrayLike<number>>;
  dispose(): void;
}

interface Model {
  inputs: { shape?: number[] }[];
  metadata?: object;
  execute(input: Tensor): Tensor | Tensor[] | object;
  dispose(): void;
}

/**
 * Loads an exported model:
 *
 *     import { loadYolo } from './yolo.js';            // after <script src="tf/tf.min.js"></script>
 *     const yolo = await loadYolo('./model.json');
 *     const detections = await yolo.detect(document.querySelector('img'));
 *
 * @param url of model.json
 * @param tf TensorFlow.js. Default: the global variable of its script
 * @throws Error when TensorFlow.js is not loaded, or the model was not exported by this project
 */
export async function loadYolo(url = './model.json', tf = globalTensorFlow()): Promise<Yolo> {
  return new Yolo(tf, await tf.loadGraphModel(url));
}

/** A loaded model. */
export class Yolo {
  /** Class names by index. */
  readonly names: string[];
  /** Height and width of the network's input; images of any size are scaled and padded to it. */
  readonly imgsz: [height: number, width: number];
  private readonly tf: TensorFlow;
  private readonly model: Model;
  private readonly batch: number;

  constructor(tf: TensorFlow, model: Model) {
    const [batch, height, width] = model.inputs[0].shape ?? [];
    const names = (model.metadata as { names?: object } | undefined)?.names;
    if (!(height > 0 && width > 0) || !names)
      throw new Error('this model was not exported by: yolo export format=tfjs');
    this.tf = tf;
    this.model = model;
    this.batch = Math.max(1, batch);
    this.imgsz = [height, width];
    this.names = Object.values(names);
  }

  /** @param source pixels, or an image, video or canvas @returns detections by descending confidence */
  async detect(
    source: Pixels | Drawable,
    { conf = 0.25, iou = 0.7, ...rest }: DetectOptions = {},
  ): Promise<Detection[]> {
    const rgb = toRgb(isPixels(source) ? source : readPixels(source));
    const place = letterbox(rgb, this.imgsz);
    const [h, w] = this.imgsz;
    const input = this.tf.tensor4d(toUnit(place.image.data, this.batch * h * w * 3), [this.batch, h, w, 3]);
    let output: Tensor | undefined;
    try {
      output = this.model.execute(input) as Tensor; // [B, 4 + K, A]
      const data = Float32Array.from(await output.data());
      const rows = detectionsOf({ data, shape: output.shape as [number, number, number] }, 0, { conf, iou, ...rest });
      return toDetections(unletterbox(rows, DETECTION, place, rgb), this.names);
    } finally {
      input.dispose();
      output?.dispose();
    }
  }

  /** Frees the model's memory. */
  dispose(): void {
    this.model.dispose();
  }
}

function globalTensorFlow(): TensorFlow {
  const { tf } = globalThis as { tf?: TensorFlow };
  if (!tf) throw new Error('TensorFlow.js is not loaded: include its script first, or pass it to loadYolo');
  return tf;
}

function isPixels(image: Pixels | Drawable): image is Pixels {
  return 'data' in image && ArrayBuffer.isView(image.data);
}

/** RGBA → RGB. */
function toRgb({ data, width, height }: Pixels): RgbImage {
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0, j = 0; j < rgb.length; i += 4) {
    rgb[j++] = data[i];
    rgb[j++] = data[i + 1];
    rgb[j++] = data[i + 2];
  }
  return { data: rgb, width, height };
}

interface Canvas {
  width: number;
  height: number;
  getContext(kind: '2d', options: object): Context | null;
}

interface Context {
  drawImage(image: unknown, x: number, y: number, width: number, height: number): void;
  getImageData(x: number, y: number, width: number, height: number): Pixels;
}

let canvas: Canvas | undefined;

/** Draws an image on a canvas at its original size and reads the pixels. */
function readPixels(image: Drawable): Pixels {
  const width = image.videoWidth || image.naturalWidth || Number(image.width);
  const height = image.videoHeight || image.naturalHeight || Number(image.height);
  if (!(width > 0 && height > 0)) throw new Error('the image has no size: wait until it is loaded');
  canvas ??= makeCanvas();
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d', { willReadFrequently: true, alpha: false });
  if (!context) throw new Error('this browser has no 2D canvas context');
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

function makeCanvas(): Canvas {
  const { OffscreenCanvas, document } = globalThis as unknown as {
    OffscreenCanvas?: new (width: number, height: number) => Canvas;
    document?: { createElement(name: 'canvas'): Canvas };
  };
  if (OffscreenCanvas) return new OffscreenCanvas(1, 1);
  if (document) return document.createElement('canvas');
  throw new Error('there is no canvas: pass pixels ({ data, width, height })');
}
