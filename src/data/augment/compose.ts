/**
 * Applies a sampled augmentation in the order of YOLOv8's training: mosaic, affine, MixUp, CutMix, then those of
 * image-augmentations.ts. On typed arrays; deterministic, since sample.ts has drawn all random numbers.
 */
import type { RgbImage } from '../../core/types.js';
import { affineMatrix, warpBoxes } from './affine.js';
import { join, toPixels } from './boxes.js';
import { canvasOf } from './canvas.js';
import { cutmix } from './cutmix.js';
import { applyImageAugmentations } from './image-augmentations.js';
import { mixup } from './mixup.js';
import { type LabelledCanvas, type LabelledImage, mosaic } from './mosaic.js';
import type { Augmentation, Scene } from './sample.js';
import { warp } from './warp.js';

/**
 * @param imageAt returns a loaded image (long side imgsz) by index
 * @param imgsz half the side of a mosaic, pixels
 * @param out receives the result; its width and height are those of the result
 * @returns labels of the result, [M, 5] class xyxy, its pixels
 */
export function compose(
  augmentation: Augmentation,
  imageAt: (index: number) => LabelledImage,
  imgsz: number,
  out: RgbImage,
): Float32Array {
  const { width, height } = out;
  let boxesPx = render(augmentation.scene, imageAt, imgsz, out);
  const second = (scene: Scene): [RgbImage, Float64Array] => {
    const image = { data: new Uint8Array(width * height * 3), width, height };
    return [image, render(scene, imageAt, imgsz, image)];
  };
  if (augmentation.mixup) {
    const [image, boxes] = second(augmentation.mixup.scene);
    mixup(out, image, augmentation.mixup.ratio);
    boxesPx = join(boxesPx, boxes);
  }
  if (augmentation.cutmix)
    boxesPx = cutmix(out, boxesPx, ...second(augmentation.cutmix.scene), augmentation.cutmix.params);
  applyImageAugmentations(out, augmentation, boxesPx);
  return Float32Array.from(boxesPx);
}

/** Renders a scene into `out`. @returns [M, 5] class xyxy, pixels of `out` */
function render(scene: Scene, imageAt: (index: number) => LabelledImage, imgsz: number, out: RgbImage): Float64Array {
  const { canvas, boxesPx } = arrange(scene, scene.images.map(imageAt), imgsz);
  const matrix = affineMatrix(scene.affine, [canvas.width, canvas.height], [out.width, out.height]);
  warp(canvas, matrix, out);
  return warpBoxes(boxesPx, matrix, scene.affine.scale, out.width, out.height);
}

function arrange(scene: Scene, images: LabelledImage[], imgsz: number): LabelledCanvas {
  if (images.length > 1) {
    return mosaic(images, [Math.floor(scene.centre[0] * imgsz), Math.floor(scene.centre[1] * imgsz)], imgsz);
  }
  const [image] = images;
  return { canvas: canvasOf(image), boxesPx: toPixels(image.labels, image) };
}
