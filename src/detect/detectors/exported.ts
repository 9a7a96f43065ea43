/** Exported models in folders as detectors: common code for TensorFlow sessions and TensorFlow.js. */
import { UserError } from '../../core/errors.js';
import { toUnit } from '../../core/unit.js';
import { type HostTensor, valuesOf } from '../../graph/host-tensor.js';
import type { Plan, RunOptions, Session } from '../../graph/session.js';
import type { Trained } from '../../nn/trained.js';
import type { Detector, InferOutput } from '../detector.js';
import { type Contract, unusable } from './exported-metadata.js';
import { runInBatches } from './fixed-batch.js';

/** Converts images to float32 0..1 and runs the graph; subclasses implement `run`. */
export abstract class ExportedDetector implements Detector {
  readonly names: string[];
  readonly stride: number;
  readonly fixedShape?: [height: number, width: number];
  readonly fixedBatch?: number;
  readonly trained: Trained;

  /** @param path for messages */
  constructor(
    private readonly path: string,
    contract: Contract,
    readonly engine: string,
  ) {
    this.names = contract.names;
    this.stride = contract.stride;
    this.fixedShape = contract.fixedShape;
    this.fixedBatch = contract.fixedBatch;
    this.trained = contract.trained;
  }

  /** Images of a run; undefined: any number. */
  protected get imagesAtOnce(): number | undefined {
    return this.fixedBatch;
  }

  /** @param x [B, H, W, 3] RGB 0..1 @returns [B, 4 + K, A] */
  protected abstract run(x: HostTensor<'float32'>, options?: RunOptions): Promise<HostTensor<'float32'>>;
  abstract dispose(): void;

  async infer(
    images: Uint8Array,
    shape: [batch: number, height: number, width: number],
    options?: RunOptions,
  ): Promise<InferOutput> {
    return runInBatches(images, shape, this.imagesAtOnce, async (part, [b, h, w]) => {
      const x: HostTensor<'float32'> = { dtype: 'float32', shape: [b, h, w, 3], data: toUnit(part, b * h * w * 3) };
      const { data, shape } = await this.run(x, options).catch((error) => {
        const known = error instanceof UserError || options?.signal?.aborted;
        throw known ? error : unusable(this.path, 'run', error);
      });
      return { data, shape: [...shape] as InferOutput['shape'] };
    });
  }
}

/** An exported model in a TensorFlow session. */
export class SessionDetector extends ExportedDetector {
  private readonly plan: Plan;

  /** @param session with the model's graph and initialised variables; closed by `dispose` */
  constructor(
    path: string,
    private readonly session: Session,
    contract: Contract,
    engine: string,
  ) {
    super(path, contract, engine);
    const { input, output } = contract;
    this.plan = session.plan({ name: 'the model', feeds: [input.tensor], fetches: [output.tensor] });
  }

  protected async run(x: HostTensor<'float32'>, options?: RunOptions): Promise<HostTensor<'float32'>> {
    const [output] = await this.plan.runAsync([x], options);
    return { dtype: 'float32', shape: output.shape, data: valuesOf(output, 'float32') };
  }

  dispose(): void {
    this.session.close();
  }
}
