/** The formats of `yolo export`: what each writes, which settings it uses, and how its files are loaded for verification. */

import { selectEngine } from '../backend/select-engine.js';
import { nmsOptions } from '../cfg/nms-options.js';
import type { ExportConfig, Key } from '../cfg/schema.js';
import { EXPORT_FORMATS, type ExportFormatName } from '../core/choices.js';
import { UserError } from '../core/errors.js';
import type { Detector } from '../detect/detector.js';
import { createDetector } from '../detect/detectors/network.js';
import { createOnnxDetector } from '../detect/detectors/onnx.js';
import { createSavedModelDetector } from '../detect/detectors/saved-model.js';
import { createTfjsDetector } from '../detect/detectors/tfjs.js';
import type { ProtoPart } from '../io/protobuf.js';
import type { ModelSpec } from '../nn/model-yaml.js';
import { loadCheckpoint, type OpenCheckpoint } from '../nn/weights.js';
import { exportMetadata, plainMetadata } from './metadata.js';
import { modelFile, onnxModel } from './onnx.js';
import { isExportedWeights, writeWeights } from './safetensors.js';
import { writeSavedModel } from './saved-model.js';
import { SHARD_NAME, writeTfjs } from './tfjs.js';
import { writePage } from './tfjs-page.js';
import { isExportedTorch, writeTorch } from './torch.js';

export interface ExportJob {
  config: ExportConfig;
  checkpoint: OpenCheckpoint;
  spec: ModelSpec;
  /** Names of all classes. */
  names: string[];
  /** Path of the export without its extension: `runs/train/weights/best`. */
  stem: string;
  /** Rounded up to the model's stride. */
  imgsz: [height: number, width: number];
  version: string;
}

export interface ExportFormat {
  /** Settings that this format uses, of those that not all formats use. */
  honours: readonly Key[];
  /** The file or folder that will be written. */
  target(stem: string): string;
  /** @returns the model itself (a file or a folder), then the other files, those in the folder among them */
  write(job: ExportJob): Promise<string[]>;
  /** For formats whose files may also be checkpoints: whether a file is an export, which may be overwritten. */
  isExport?(path: string): boolean;
  /** Names of files of an earlier export in the target folder that are removed. */
  replaces?: RegExp;
  /** Loads what was written, for verification, on the engine that `device` selects. */
  open(target: string, device: string): Promise<Detector>;
  /** With nms: writes the same model with another `conf`, passes it to `use`, and removes it. */
  withTwin?<T>(job: ExportJob, conf: number, use: (twin: Detector) => Promise<T>): Promise<T>;
}

export const FORMATS: Record<ExportFormatName, ExportFormat> = {
  onnx: {
    honours: ['dynamic', 'opset', 'nms', 'batch'],
    target: (stem) => `${stem}.onnx`,
    write: writeOnnx,
    // Lean: for a single run, optimizing the graph would only double the memory of the weights.
    open: (target) => createOnnxDetector(target, { lean: true }),
    async withTwin(job, conf, use) {
      const twin = modelFile(`${job.stem}.onnx`, onnxOf({ ...job, config: { ...job.config, conf } }));
      try {
        return await use(await createOnnxDetector(twin.temporary, { lean: true }));
      } finally {
        twin.abort();
      }
    },
  },
  tfjs: {
    honours: ['int8', 'batch'],
    target: (stem) => `${stem}_web_model`,
    write: writeGraphModel,
    replaces: SHARD_NAME,
    async open(target, device) {
      const { description } = await selectEngine({ device });
      return createTfjsDetector(target, description);
    },
  },
  saved_model: {
    honours: ['batch'],
    target: (stem) => `${stem}_saved_model`,
    write: writeSaved,
    async open(target, device) {
      const { description } = await selectEngine({ device });
      return createSavedModelDetector(target, description);
    },
  },
  safetensors: {
    honours: [],
    target: (stem) => `${stem}.safetensors`,
    isExport: isExportedWeights,
    async write({ stem, checkpoint, names, spec, config: { half }, version }) {
      const path = `${stem}.safetensors`;
      writeWeights(path, { ...checkpoint, names, yaml: spec.yaml }, { half, version });
      return [path];
    },
    open: openWeights,
  },
  torch: {
    honours: [],
    target: (stem) => `${stem}.pt`,
    isExport: isExportedTorch,
    async write({ stem, checkpoint, names, spec, config: { half }, version }) {
      const path = `${stem}.pt`;
      writeTorch(path, spec, checkpoint, names, { half, version });
      return [path];
    },
    open: openWeights,
  },
};

async function openWeights(target: string, device: string): Promise<Detector> {
  await selectEngine({ device });
  return createDetector(await loadCheckpoint(target), { where: target });
}

async function writeOnnx(job: ExportJob): Promise<string[]> {
  const path = `${job.stem}.onnx`;
  modelFile(path, onnxOf(job)).commit();
  return [path];
}

function onnxOf({ config, checkpoint, spec, names, imgsz, version }: ExportJob): ProtoPart {
  const { batch, dynamic, half } = config;
  const opset = config.opset ?? 17;
  const args = { half, dynamic, opset, nms: config.nms, simplify: true };
  return onnxModel(spec, checkpoint.weights, {
    imgsz,
    batch,
    dynamic,
    half,
    opset,
    version,
    nms: config.nms ? nmsOptions(config) : undefined,
    metadata: exportMetadata(spec, checkpoint, names, { imgsz, batch, args, version }),
  });
}

async function writeGraphModel(job: ExportJob): Promise<string[]> {
  const { config, checkpoint, spec, stem, imgsz, version } = job;
  const { batch, half, int8 } = config;
  if (half && int8) throw new UserError('conflict', 'half=true and int8=true exclude each other', 'give one of them');
  await selectEngine({ device: config.device });
  const dir = `${stem}_web_model`;
  const weights = int8 ? 'uint8' : half ? 'float16' : 'float32';
  const metadata = metadataOf(job, { half, int8 });
  const files = writeTfjs(dir, spec, checkpoint.weights, { imgsz, batch, weights, metadata, version });
  return [dir, ...files, ...writePage(dir)];
}

async function writeSaved(job: ExportJob): Promise<string[]> {
  const { config, checkpoint, spec, stem, imgsz } = job;
  const { batch, half } = config;
  await selectEngine({ device: config.device });
  const dir = `${stem}_saved_model`;
  const metadata = metadataOf(job, { half });
  return [dir, ...writeSavedModel(dir, spec, checkpoint.weights, { imgsz, batch, half, metadata })];
}

function metadataOf({ spec, checkpoint, names, imgsz, config, version }: ExportJob, args: { [key: string]: boolean }) {
  return plainMetadata(exportMetadata(spec, checkpoint, names, { imgsz, batch: config.batch, args, version }));
}

/** @throws UserError for a given setting that the format does not use */
export function refuseUnused(config: ExportConfig, given: (key: Key) => boolean): void {
  const { honours } = FORMATS[config.format];
  for (const key of new Set(Object.values(FORMATS).flatMap((format) => format.honours))) {
    const value = config[key];
    if (honours.includes(key) || !given(key) || value === false || value === null) continue;
    const others = EXPORT_FORMATS.filter((name) => FORMATS[name].honours.includes(key));
    throw new UserError(
      'unused-setting',
      `${key}=${value} is not supported by format=${config.format}`,
      `formats that support ${key}: ${others.join(', ')}`,
    );
  }
}
