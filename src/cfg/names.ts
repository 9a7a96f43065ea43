/**
 * Names beside the option table: keys under the names that they had, or have in other YOLO tools; keys of Ultralytics 8.4
 * that have a single value here; and keys of its other tasks. So command lines and args.yaml files from there are understood.
 */
import type { Raw } from './option.js';

/** An old or other name: what it becomes; null: nothing. Undefined values are refused. */
interface OtherName {
  /** Said when it is used. */
  warning: string;
  become: (raw: Raw) => [key: string, value: Raw] | null | undefined;
  allowed?: string;
}

function inverted(name: string, key: string): OtherName {
  return {
    warning: `'${name}' is an old name: use '${key}', which means the opposite`,
    become: (raw) => (typeof raw === 'boolean' ? [key, !raw] : undefined),
    allowed: 'true or false',
  };
}

const renamed = (name: string, key: string): OtherName => ({
  warning: `'${name}' is an old name: use '${key}'`,
  become: (raw) => [key, raw],
});

export const OTHER_NAMES: Record<string, OtherName> = {
  hide_labels: inverted('hide_labels', 'show_labels'),
  hide_conf: inverted('hide_conf', 'show_conf'),
  boxes: renamed('boxes', 'show_boxes'),
  line_thickness: renamed('line_thickness', 'line_width'),
  quantize: {
    warning: "use half=true or int8=true instead of 'quantize'",
    allowed: '16 (half), 8 (int8), 32 or none',
    become: (raw) => {
      if (raw === null || raw === 32) return null;
      return raw === 16 ? ['half', true] : raw === 8 ? ['int8', true] : undefined;
    },
  },
  label_smoothing: {
    warning: "'label_smoothing' is ignored: the class loss has soft targets already",
    become: (raw) => (typeof raw === 'number' ? null : undefined),
    allowed: 'a number',
  },
};

/** A key with a single value here, which is accepted silently; any other is refused with the reason. */
interface FixedKey {
  values: Raw[];
  reason: string;
}

const never = (reason: string): FixedKey => ({ values: [false, null, 0], reason });

export const FIXED: Record<string, FixedKey> = {
  task: { values: ['detect'], reason: 'this tool does detection only' },
  simplify: { values: [true], reason: 'exported graphs are always simplified' },
  compile: never('the training step always runs as one compiled graph'),
  profile: never("speed is measured by 'yolo benchmark'"),
  optimize: never('it concerns TorchScript for mobile devices, which is not exported here'),
  keras: never('format=saved_model and format=tfjs do not use Keras'),
  workspace: { values: [null, 4], reason: 'it concerns TensorRT, which is not exported here' },
  dnn: never('.onnx models always run on onnxruntime'),
  end2end: never('YOLOv8 has no end-to-end head; format=onnx nms=true exports a graph that ends in final detections'),
  embed: never('feature vectors are not supported'),
  show: never('images are saved, not shown in a window'),
  copy_paste: { values: [0, null, false], reason: 'it needs segmentation masks' },
  channels_last: { values: [null, true], reason: 'tensors are always stored channels last' },
  distill_model: { values: [null], reason: 'distillation is not supported' },
};

/** Keys of the other tasks of Ultralytics 8.4: they have no effect in detection and are ignored, on the command line with a warning. */
export const FOREIGN: Record<string, string> = {
  overlap_mask: 'segmentation',
  mask_ratio: 'segmentation',
  retina_masks: 'segmentation',
  copy_paste_mode: 'segmentation',
  dropout: 'classification',
  auto_augment: 'classification',
  erasing: 'classification',
  pose: 'pose estimation',
  kobj: 'pose estimation',
  rle: 'pose estimation',
  angle: 'oriented boxes',
  dis: 'distillation',
  dlog: 'distillation',
  dgrad: 'distillation',
  dlam: 'distillation',
};

/** Keys that a cfg file may contain and that the command sets itself. */
export const OWN_IN_FILE: readonly string[] = ['mode', 'cfg', 'save_dir'];

/** Names that other tools have for keys of this one, for the message about an unknown key. */
export const HINTS: Record<string, string> = {
  batch_size: 'batch',
  conf_thres: 'conf',
  conf_threshold: 'conf',
  confidence: 'conf',
  dataset: 'data',
  hyp: 'cfg',
  img: 'imgsz',
  img_size: 'imgsz',
  image_size: 'imgsz',
  input: 'source',
  iou_thres: 'iou',
  iou_threshold: 'iou',
  learning_rate: 'lr0',
  lr: 'lr0',
  max_dets: 'max_det',
  nms_thres: 'iou',
  num_workers: 'workers',
  output: 'project',
  save_dir: 'project',
  threshold: 'conf',
  wd: 'weight_decay',
  weights: 'model',
};
