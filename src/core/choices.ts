/**
 * Values of options that other folders implement. The option table lists them; the implementations are a
 * `Record<Name, …>`, which does not compile until every name has an entry.
 */

/** Values of optimizer= besides auto; implemented in optim/optimizers.ts. */
export const OPTIMIZER_NAMES = ['SGD', 'Adam', 'AdamW', 'NAdam', 'RAdam', 'Adamax', 'RMSProp'] as const;
/** One of OPTIMIZER_NAMES. */
export type OptimizerName = (typeof OPTIMIZER_NAMES)[number];

/** Values of format= of export; implemented in export/formats.ts. */
export const EXPORT_FORMATS = ['onnx', 'tfjs', 'saved_model', 'safetensors', 'torch'] as const;
/** One of EXPORT_FORMATS. */
export type ExportFormatName = (typeof EXPORT_FORMATS)[number];

/** Values of format= of convert; implemented in engine/convert.ts. */
export const LABEL_FORMATS = ['yolo', 'coco', 'voc'] as const;
/** One of LABEL_FORMATS. */
export type LabelFormat = (typeof LABEL_FORMATS)[number];

/** Values of split=: the parts of a dataset. */
export const SPLITS = ['train', 'val', 'test'] as const;
/** One of SPLITS. */
export type Split = (typeof SPLITS)[number];
