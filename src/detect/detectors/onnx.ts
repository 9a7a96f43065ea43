/**
 * An ONNX model as a detector, run by onnxruntime-node (an optional peer dependency). Supports models exported by this
 * project and by Ultralytics: input [B, 3, H, W] RGB 0..1 (float32 or float16), output [B, 4 + K, A], or [B, N, 6] when the
 * graph includes non-maximum suppression.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { messageOf, UserError } from '../../core/errors.js';
import { floatToHalf, halfToFloat } from '../../io/half.js';
import { type OnnxHeader, type OnnxPort, readOnnxHeader } from '../../io/onnx-file.js';
import { parsePythonLiteral } from '../../io/python-literal.js';
import { type Trained, trainedWith } from '../../nn/trained.js';
import type { Detector, InferOutput } from '../detector.js';
import { runInBatches } from './fixed-batch.js';

type Runtime = typeof import('onnxruntime-node');

/** Options of an ONNX detector. */
export interface OnnxDetectorOptions {
  /** Loads the runtime. Default: the package onnxruntime-node, from this package or the working folder. */
  runtime?: () => Promise<Runtime>;
  /** Without graph optimisation and memory arena: less than half the memory, slower after the first run. Default: false. */
  lean?: boolean;
}

const LEAN = { graphOptimizationLevel: 'disabled', enableCpuMemArena: false } as const;

/** TensorProto.DataType of onnx.proto. */
const FLOAT32 = 1;
const FLOAT16 = 10;

/**
 * Creates a detector.
 * @throws UserError 'missing-package', 'broken-package' without a working runtime; 'wrong-model' when it is not a detection
 *   model of the form described above; 'bad-onnx' when it cannot be read or run
 */
export async function createOnnxDetector(path: string, options: OnnxDetectorOptions = {}): Promise<Detector> {
  const header = readOnnxHeader(path);
  const contract = readContract(path, header);
  const ort = await (options.runtime ?? importRuntime)();
  let session: InferenceSession;
  try {
    // 3: errors only; the runtime writes warnings about valid graphs to standard error.
    session = await ort.InferenceSession.create(path, { logSeverityLevel: 3, ...(options.lean ? LEAN : {}) });
  } catch (error) {
    throw new UserError(
      'bad-onnx',
      `${path} cannot be run by onnxruntime: ${messageOf(error).split('\n')[0]}`,
      'export it again, or install a newer onnxruntime-node',
      1,
    );
  }
  return new OnnxDetector(ort, session, contract);
}

const PACKAGE = 'onnxruntime-node';

/**
 * Imports the package from here or from the working folder: a globally installed tool does not find those of the user's
 * project otherwise.
 * @throws UserError 'missing-package', or 'broken-package' with the reason for the first one found
 */
async function importRuntime(): Promise<Runtime> {
  let broken: UserError | undefined;
  for (const place of [import.meta.url, join(process.cwd(), 'here.js')]) {
    let file: string | undefined;
    try {
      file = locate(place);
      if (file === undefined) continue;
      const module = await import(pathToFileURL(file).href);
      return module.default ?? module;
    } catch (error) {
      broken ??= new UserError(
        'broken-package',
        `the package ${PACKAGE}, which runs .onnx models, is installed${file ? ` (${file})` : ''} but does not load: ${messageOf(error).split('\n')[0]}`,
        `npm rebuild ${PACKAGE}, or npm install ${PACKAGE} again; it needs its binary for this system`,
        1,
      );
    }
  }
  if (broken) throw broken;
  throw new UserError(
    'missing-package',
    `.onnx models need the package ${PACKAGE}, which is not installed`,
    `npm install ${PACKAGE}`,
  );
}

/** @returns undefined when it is not installed @throws Error when its package.json or main file is damaged */
function locate(place: string): string | undefined {
  try {
    return createRequire(place).resolve(PACKAGE);
  } catch (error) {
    if (messageOf(error).startsWith(`Cannot find module '${PACKAGE}'`)) return undefined;
    throw error;
  }
}

interface Contract {
  input: OnnxPort;
  output: OnnxPort;
  names: string[];
  stride: number;
  endToEnd: boolean;
  trained: Trained;
}

/** Checks that the model has the form described above. */
function readContract(path: string, { metadata, inputs, outputs }: OnnxHeader): Contract {
  const wrong = (what: string): UserError =>
    new UserError(
      'wrong-model',
      `${path}: ${what}`,
      'expected a YOLOv8 or YOLO11 detection model: input [B, 3, H, W], output [B, 4 + K, A]',
    );
  if (metadata.task !== undefined && metadata.task !== 'detect')
    throw wrong(`it is a model for the task '${metadata.task}'`);
  if (inputs.length !== 1 || inputs[0].shape.length !== 4)
    throw wrong(`it has ${inputs.length} inputs${inputs.length === 1 ? ` of shape [${inputs[0].shape}]` : ''}`);
  const [input, output] = [inputs[0], outputs[0]];
  if (typeof input.shape[1] === 'number' && input.shape[1] !== 3)
    throw wrong(`its input has ${input.shape[1]} channels`);
  if (input.element !== FLOAT32 && input.element !== FLOAT16)
    throw wrong(`its input has the element type ${input.element}, neither float32 nor float16`);
  if (outputs.length !== 1 || output.shape.length !== 3)
    throw wrong(`it has ${outputs.length} outputs, the first of shape [${output?.shape}]`);
  const endToEnd = output.shape[2] === 6;
  const rows = output.shape[1];
  const names =
    namesOf(path, metadata.names) ??
    (typeof rows === 'number' && !endToEnd ? Array.from({ length: rows - 4 }, (_, i) => `class${i}`) : undefined);
  if (!names) throw wrong('it has no class names in its metadata');
  if (!endToEnd && typeof rows === 'number' && rows !== 4 + names.length)
    throw wrong(`its output has ${rows} rows for ${names.length} classes`);
  const trained = trainedWith({ imgsz: literal(metadata.imgsz) });
  return { input, output, names, stride: Number(metadata.stride) || 32, endToEnd, trained };
}

function literal(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : parsePythonLiteral(text);
  } catch {
    return undefined;
  }
}

function namesOf(path: string, text: string | undefined): string[] | undefined {
  if (text === undefined) return undefined;
  try {
    const value = parsePythonLiteral(text);
    if (typeof value === 'object' && value !== null) return Object.values(value).map(String);
  } catch (error) {
    throw new UserError(
      'bad-onnx',
      `${path}: the class names in its metadata cannot be read (${messageOf(error)})`,
      'export it again',
    );
  }
  return undefined;
}

class OnnxDetector implements Detector {
  readonly names: string[];
  readonly stride: number;
  readonly fixedShape?: [height: number, width: number];
  readonly fixedBatch?: number;
  readonly engine: string;
  readonly endToEnd: boolean;
  readonly trained: Trained;
  private readonly ort: Runtime;
  private readonly session: InferenceSession;
  private readonly contract: Contract;

  constructor(ort: Runtime, session: InferenceSession, contract: Contract) {
    const [batch, , height, width] = contract.input.shape;
    this.ort = ort;
    this.session = session;
    this.contract = contract;
    this.names = contract.names;
    this.stride = contract.stride;
    this.endToEnd = contract.endToEnd;
    this.trained = contract.trained;
    if (typeof height === 'number' && typeof width === 'number') this.fixedShape = [height, width];
    if (typeof batch === 'number') this.fixedBatch = batch;
    this.engine = `onnxruntime ${ort.env.versions.node ?? ort.env.versions.common ?? ''}`.trim();
  }

  async infer(images: Uint8Array, shape: [batch: number, height: number, width: number]): Promise<InferOutput> {
    return runInBatches(images, shape, this.fixedBatch, (part, size) => this.runOne(part, size));
  }

  /** @param images may have fewer than B images: the rest is black */
  private async runOne(images: Uint8Array, [b, h, w]: [number, number, number]): Promise<InferOutput> {
    const { input, output } = this.contract;
    const floats = toPlanes(images, [b, h, w]);
    const dims = [b, 3, h, w];
    const tensor =
      input.element === FLOAT16
        ? new this.ort.Tensor('float16', floatToHalf(floats), dims)
        : new this.ort.Tensor('float32', floats, dims);
    const result = (await this.session.run({ [input.name]: tensor }))[output.name];
    return { data: floatsOf(result), shape: [...result.dims] as InferOutput['shape'] };
  }

  dispose(): void {
    void this.session.release();
  }
}

/** [B, H, W, 3] 0..255 → [B, 3, H, W] 0..1. */
function toPlanes(images: Uint8Array, [b, h, w]: [number, number, number]): Float32Array<ArrayBuffer> {
  const area = h * w;
  const out = new Float32Array(b * 3 * area);
  const scale = 1 / 255;
  for (let i = 0, from = 0; from < images.length; i++) {
    const base = 3 * i * area;
    for (let p = 0; p < area; p++, from += 3) {
      out[base + p] = images[from] * scale;
      out[base + area + p] = images[from + 1] * scale;
      out[base + 2 * area + p] = images[from + 2] * scale;
    }
  }
  return out;
}

/** float16 values are bits in a Uint16Array, or a Float16Array where the JavaScript engine has it. */
function floatsOf({ data }: Tensor): Float32Array {
  if (data instanceof Float32Array) return data;
  return data instanceof Uint16Array ? halfToFloat(data) : Float32Array.from(data as unknown as ArrayLike<number>);
}
