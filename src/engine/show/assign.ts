/**
 * Which anchor points the assigner picks for the labels of an image, from what a network finds in it now. Training asks
 * the same of each batch, with augmented images and the batch's own statistics.
 */
import { basename, extname, join, resolve } from 'node:path';
import type * as tf from '@tensorflow/tfjs-core';
import { selectEngine } from '../../backend/select-engine.js';
import { LABEL, labelsToPx, unletterbox } from '../../core/boxes.js';
import { UserError } from '../../core/errors.js';
import type { Box, RgbImage } from '../../core/types.js';
import type { Dataset, DatasetImage } from '../../data/dataset.js';
import { listSources } from '../../data/source-list.js';
import { createValLoader, type ValBatch } from '../../data/val-loader.js';
import { chosenRunner, NetworkDetector } from '../../detect/detectors/network.js';
import type { HostTensor } from '../../graph/host-tensor.js';
import { encodeImage } from '../../image/codec.js';
import { resize } from '../../image/resize.js';
import { writeFileAtomic } from '../../io/files.js';
import { assignHead } from '../../loss/detection.js';
import { type LabelTensors, paddedLabels } from '../../loss/label-tensors.js';
import type { Assignment } from '../../loss/tal.js';
import { type Anchors, anchorsOf, type HeadOutput, levelsOf } from '../../nn/head.js';
import { buildNetwork } from '../../nn/model.js';
import { loadCheckpoint, resolveModelPath, specOf } from '../../nn/weights.js';
import { type AssignedLabel, drawAssignment } from '../../render/assignment.js';

/** Of which images the assignment is shown. */
export interface AssignOptions {
  dir: string;
  model: string;
  device: string;
  imgsz: number;
  /** Maximum number of images. */
  count: number;
  /** Only images of the dataset that this names. */
  source: string | null;
  workers: number;
}

/** An image whose assignment was drawn. */
export interface ShownAssignment {
  file: string;
  path: string;
  /** Pixels to a cell of each level. */
  strides: number[];
  labels: {
    class: number;
    name: string;
    /** Pixels of the original image. */
    box: Box;
    /** Anchor points of each level that are to find it. */
    anchors: number[];
    /** The highest score that one of them should have, 0..1. */
    target: number;
  }[];
}

/** Images are drawn with a long side of at least this, so that points of neighbouring cells stay apart. */
const LONG_SIDE = 960;

/** @throws UserError when the model has other classes, or no image is left */
export async function* showAssignments(dataset: Dataset, options: AssignOptions): AsyncGenerator<ShownAssignment> {
  const images = await chosenImages(dataset, options);
  await selectEngine({ device: options.device });
  const assigner = await assignerOf(options.model, dataset);
  const { detector, strides } = assigner;
  const loader = createValLoader(images, { ...options, batch: 1, stride: detector.stride });
  const stems: string[] = [];
  try {
    for await (const batch of loader) {
      const image = images[batch.indices[0]];
      if (batch.broken[0]) throw new UserError('broken-image', batch.broken[0], undefined, 1);
      const labels = await assignedLabels(assigner, batch, image);
      const stem = `assign_${basename(image.path, extname(image.path))}`;
      const same = stems.filter((other) => other === stem).length; // images of other folders may have the same name
      stems.push(stem);
      const file = join(options.dir, `${stem}${same ? `-${same + 1}` : ''}.jpg`);
      const drawn = await drawAssignment({ ...enlarged(batch, labels), strides, title: basename(image.path) });
      writeFileAtomic(file, await encodeImage(drawn, 'jpg', 92));
      yield { file, path: image.path, strides, labels: labels.map((l) => summary(l, batch, image, strides.length)) };
    }
  } finally {
    await loader.close();
    detector.dispose();
  }
}

/** Those of `source`, else the first ones with labels. */
async function chosenImages({ images, split }: Dataset, { source, count }: AssignOptions) {
  let chosen = images.filter(({ labels }) => labels.length > 0);
  if (source !== null) {
    const wanted = new Set((await listSources(source)).map(({ path }) => resolve(path)));
    chosen = images.filter(({ path }) => wanted.has(resolve(path)));
  }
  if (!chosen.length) {
    const why = source === null ? 'has a label' : `is named by source=${source}`;
    throw new UserError('no-images', `no image of the '${split}' split ${why}`);
  }
  return chosen.slice(0, count);
}

/** A network, and from the same pass what the assigner picks. */
interface Assigner {
  detector: NetworkDetector<LabelTensors, Record<keyof Assignment, tf.Tensor>>;
  /** Image pixels to a cell of each level. */
  strides: number[];
}

async function assignerOf(model: string, { names }: Dataset): Promise<Assigner> {
  if (/\.(ya?ml|onnx)$/i.test(model))
    throw new UserError('no-weights', `show what=assign needs weights (.pt or .safetensors), not ${model}`);
  const checkpoint = await loadCheckpoint(await resolveModelPath(model));
  const network = buildNetwork(specOf(checkpoint, model));
  if (network.spec.nc !== names.length)
    throw new UserError(
      'class-mismatch',
      `the model has ${network.spec.nc} classes, the dataset ${names.length}`,
      'give weights that were trained on this dataset: model=runs/detect/train/weights/last.safetensors',
    );
  const assigned = (head: HeadOutput, labels: LabelTensors) => ({ ...assignHead(head, labels).assignment });
  const detector: Assigner['detector'] = new NetworkDetector(
    network,
    names,
    { runner: await chosenRunner() },
    assigned,
  );
  detector.setWeights(checkpoint.weights);
  return { detector, strides: network.spec.strides };
}

/** Boxes and points in pixels of the network's input. */
async function assignedLabels(
  assigner: Assigner,
  { images, shape: [, h, w], transforms }: ValBatch,
  image: DatasetImage,
): Promise<AssignedLabel[]> {
  const labels = labelsToPx(image.labels, image, transforms[0]);
  const out = Array.from({ length: labels.length / LABEL }, (_, j): AssignedLabel => {
    const [cls, ...box] = labels.subarray(LABEL * j, LABEL * (j + 1));
    return { class: cls, name: assigner.detector.names[cls], box: box as Box, points: [] };
  });
  if (!out.length) return out;
  const { anchors, label, share, score, cells } = await assignmentOf(
    assigner,
    { data: images, width: w, height: h },
    labels,
  );
  const seen = new Set<number>(); // an anchor that several labels wanted stands in several slots
  for (let s = 0; s < anchors.length; s++) {
    if (share[s] <= 0 || seen.has(anchors[s])) continue;
    seen.add(anchors[s]);
    out[label[s]].points.push({ ...pointOf(anchors[s], cells), score: score[s] });
  }
  return out;
}

/** Runs network and assigner. @param labels [M, 5] class x1 y1 x2 y2, pixels of the input */
async function assignmentOf({ detector, strides }: Assigner, { data, width, height }: RgbImage, labels: Float32Array) {
  const { tensors } = paddedLabels([labels], 1);
  const { also: found } = await detector.inferWith(data, [1, height, width], tensors, Number.POSITIVE_INFINITY);
  const levels = levelsOf(height, width, strides);
  return {
    anchors: numbersOf(found.anchors),
    label: numbersOf(found.labels),
    share: numbersOf(found.share),
    score: numbersOf(found.score),
    cells: { levels, ...anchorsOf(levels, strides) },
  };
}

/** Integers may have 64 bits. */
function numbersOf({ data }: HostTensor): number[] {
  return Array.from(data as ArrayLike<number | bigint>, Number);
}

function pointOf(anchor: number, { points, strides, levels }: Anchors & { levels: readonly [number, number][] }) {
  let level = 0;
  for (let end = 0; level < levels.length; level++) {
    end += levels[level][0] * levels[level][1];
    if (anchor < end) break;
  }
  const stride = strides[anchor];
  return { x: points[2 * anchor] * stride, y: points[2 * anchor + 1] * stride, level };
}

/** The network's input as an image, small ones at a multiple of their size, with boxes and points to match. */
function enlarged({ images, shape: [, height, width] }: ValBatch, labels: readonly AssignedLabel[]) {
  const by = Math.max(1, Math.ceil(LONG_SIDE / Math.max(width, height)));
  const image: RgbImage = resize({ data: images, width, height }, width * by, height * by);
  const scaled = labels.map((label) => ({
    ...label,
    box: label.box.map((v) => v * by) as Box,
    points: label.points.map((p) => ({ ...p, x: p.x * by, y: p.y * by })),
  }));
  return { image, labels: scaled };
}

function summary(
  label: AssignedLabel,
  { transforms }: ValBatch,
  image: DatasetImage,
  levels: number,
): ShownAssignment['labels'][number] {
  const box = [...unletterbox(Float32Array.from(label.box), 4, transforms[0], image)];
  return {
    class: label.class,
    name: label.name,
    box: box.map((v) => Math.round(v * 10) / 10) as Box,
    anchors: Array.from({ length: levels }, (_, level) => label.points.filter((p) => p.level === level).length),
    target: Math.round(Math.max(0, ...label.points.map(({ score }) => score)) * 1e4) / 1e4,
  };
}
