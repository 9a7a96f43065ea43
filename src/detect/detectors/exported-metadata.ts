/** Description of exported models in folders (TensorFlow.js GraphModel, SavedModel), and its check. */
import { messageOf, UserError } from '../../core/errors.js';
import { type Trained, trainedWith } from '../../nn/trained.js';

/** Input, output and metadata, as read from the model's files. */
export interface Description {
  input: Port;
  output: Port;
  metadata: Record<string, unknown>;
}

/** An input or output. */
export interface Port {
  /** Name of the tensor in the graph: 'images:0'. */
  tensor: string;
  /** −1 for a dimension of any size. */
  shape: number[];
  /** TensorFlow's name of the element type: DT_FLOAT. */
  dtype: string;
}

/** Properties of a detection model, checked by `readContract`. */
export interface Contract {
  input: Port;
  output: Port;
  names: string[];
  stride: number;
  fixedShape?: [height: number, width: number];
  fixedBatch?: number;
  trained: Trained;
}

/** @param where path for messages @throws UserError 'wrong-model' when it is not a detection model of the expected form */
export function readContract(where: string, { input, output, metadata }: Description): Contract {
  const wrong = (what: string): UserError =>
    new UserError(
      'wrong-model',
      `${where}: ${what}`,
      'expected a YOLOv8 or YOLO11 detection model: input [B, H, W, 3] float32, output [B, 4 + K, A]',
    );
  const { task = 'detect', names: given, stride } = metadata;
  if (task !== 'detect') throw wrong(`it is a model for the task '${task}'`);
  if (input.shape.length !== 4 || input.shape[3] !== 3) throw wrong(`its input has the shape [${input.shape}]`);
  if (input.dtype !== 'DT_FLOAT') throw wrong(`its input has the element type ${input.dtype}, not DT_FLOAT`);
  const rows = output.shape[1];
  if (output.shape.length !== 3 || !(rows > 4 || rows === -1))
    throw wrong(`its output has the shape [${output.shape}]`);
  const names = given
    ? Object.values(given).map(String)
    : Array.from({ length: Math.max(0, rows - 4) }, (_, i) => `class${i}`);
  if (names.length === 0) throw wrong('it has no class names in its metadata');
  if (rows > 0 && rows !== 4 + names.length) throw wrong(`its output has ${rows} rows for ${names.length} classes`);
  const [batch, height, width] = input.shape;
  return {
    input,
    output,
    names,
    stride: Number(stride) || 32,
    fixedShape: height > 0 && width > 0 ? [height, width] : undefined,
    fixedBatch: batch > 0 ? batch : undefined,
    trained: trainedWith({ imgsz: metadata.imgsz }),
  };
}

/** Calls `read` and converts its errors. @throws UserError 'missing-file', 'bad-model', or one that `read` throws */
export function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof UserError) throw error;
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new UserError(
      missing ? 'missing-file' : 'bad-model',
      missing ? `there is no file ${path}` : `${path} cannot be read: ${messageOf(error).split('\n')[0]}`,
      'export the model again',
    );
  }
}

/** @param what 'loaded' or 'run' @returns UserError 'bad-model' */
export function unusable(path: string, what: string, error: unknown): UserError {
  const message = `${path} cannot be ${what}: ${messageOf(error).split('\n')[0]}`;
  return new UserError('bad-model', message, 'export the model again', 1);
}
