/**
 * Words of options that other folders implement. The option table offers them; a `Record<Name, …>` where they are implemented
 * does not compile until every word has its entry.
 */

/** optimizer=, besides auto; implemented in optim/optimizers.ts. */
export const OPTIMIZER_NAMES = ['SGD', 'Adam', 'AdamW', 'NAdam', 'RAdam', 'Adamax', 'RMSProp'] as const;
export type OptimizerName = (typeof OPTIMIZER_NAMES)[number];

/** format= of export; implemented in export/formats.ts. */
export const EXPORT_FORMATS = ['onnx', 'tfjs', 'saved_model', 'safetensors', 'torch'] as const;
export type ExportFormatName = (typeof EXPORT_FORMATS)[number];

/** format= of convert; implemented in engine/convert.ts. */
export const LABEL_FORMATS = ['yolo', 'coco', 'voc'] as const;
export type LabelFormat = (typeof LABEL_FORMATS)[number];

/** split=: the parts of a dataset. */
export const SPLITS = ['train', 'val', 'test'] as const;
export type Split = (typeof SPLITS)[number];
