/** Bilinear resize of NHWC images, for test-time augmentation. Convolution, pooling and normalization are in nn/kernels.ts. */
import { defineSymbolic } from '../raw.js';

type Resize = { alignCorners: boolean; halfPixelCenters?: boolean; size: [height: number, width: number] };

defineSymbolic<'images', Resize>('ResizeBilinear', (emit, { images }, { alignCorners, halfPixelCenters, size }) => {
  const [b, , , c] = images.shape;
  const attrs = { T: emit.type(images), align_corners: alignCorners, half_pixel_centers: halfPixelCenters ?? false };
  return emit.op('ResizeBilinear', [images, emit.ints(size)], attrs, [b, size[0], size[1], c]);
});
