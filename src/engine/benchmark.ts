/**
 * `yolo benchmark`: times what users wait for, and prints the keys that the comparison script of other implementations
 * prints. wall_s counts from the start of the process. Times of one machine mean little: run two sides in turn and compare.
 */
import { type Engine, requireTraining, selectEngine } from '../backend/select-engine.js';
import type { ConfigOf, PredictConfig, TrainConfig, ValConfig } from '../cfg/schema.js';
import { UserError } from '../core/errors.js';
import { median } from '../core/median.js';
import { buildNetwork } from '../nn/model.js';
import { type ModelSpec, parseModelYaml } from '../nn/model-yaml.js';
import { sideFor, trainedOf } from './model-defaults.js';
import { predict } from './predict/predictor.js';
import { chooseAmp } from './train/amp.js';
import { freshCounters } from './train/step.js';
import { SYNTHETIC_RATES, syntheticBatch, syntheticStep } from './train/synthetic-batch.js';
import { train } from './train/trainer.js';
import { validate } from './val/validator.js';

type BenchmarkConfig = ConfigOf<'benchmark'>;
/** Measured values by name; what is in it depends on `what`. */
export type BenchmarkResult = Record<string, string | number | object>;

/** Steps before the measured ones: graphs are traced and memory is allocated. */
const WARM_UP_STEPS = 3;

/**
 * @returns what, imgsz, batch, engine, peak_rss_mb and the times of that kind of benchmark
 * @throws UserError when a key that it needs is missing
 */
export async function benchmark(given: BenchmarkConfig): Promise<BenchmarkResult> {
  const uses = given.what === 'predict' || given.what === 'val';
  const config = uses ? { ...given, imgsz: sideFor(given, { trained: await trainedOf(given.model!) }) } : given;
  const { device, threads, deterministic, tf32 } = config;
  const engine = await selectEngine({
    device,
    threads: threads || undefined,
    deterministic,
    tf32,
    onednn: config.what !== 'predict',
  });
  const measured = await MEASURES[config.what as keyof typeof MEASURES](config, engine);
  return {
    what: config.what,
    imgsz: config.imgsz,
    batch: config.batch,
    engine: engine.description,
    ...measured,
    peak_rss_mb: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

const MEASURES = { step, epoch, predict: predictAll, val };

const wall = (): number => performance.now() / 1000;

/** Forward pass, losses, gradients, clipping, optimizer and EMA, on synthetic images. */
async function step(config: BenchmarkConfig, engine: Engine): Promise<BenchmarkResult> {
  const { batch, imgsz, steps } = config;
  const network = buildNetwork(await specIn(config.model!));
  requireTraining(engine);
  const gains = { box: config.box, cls: config.cls, dfl: config.dfl };
  const amp = chooseAmp(config.amp, engine);
  const trainStep = syntheticStep(network, { gains, amp });
  const data = syntheticBatch(batch, imgsz, network.spec.nc);
  const counters = freshCounters();
  const seconds: number[] = [];
  for (let i = 0; i < steps + WARM_UP_STEPS; i++) {
    const start = performance.now();
    const { nonFinite, items } = await trainStep.run(data, SYNTHETIC_RATES, counters);
    if (nonFinite) throw new UserError('diverged', `the ${nonFinite} is not finite (losses ${items})`, undefined, 1);
    if (i >= WARM_UP_STEPS) seconds.push((performance.now() - start) / 1000);
  }
  trainStep.dispose();
  return {
    median_s_per_image: median(seconds) / batch,
    min_s_per_image: Math.min(...seconds) / batch,
    amp: amp ? 'bf16' : 'false',
  };
}

/** The network that a description or weights have. @throws UserError for other models */
async function specIn(model: string): Promise<ModelSpec> {
  if (/\.ya?ml$/.test(model)) return parseModelYaml(model, { nc: 80 });
  if (/\.(pt|safetensors)$/.test(model)) {
    const { loadCheckpoint, resolveModelPath, specOf } = await import('../nn/weights.js');
    return specOf(await loadCheckpoint(await resolveModelPath(model)));
  }
  throw new UserError(
    'bad-value',
    `benchmark what=step takes a network or weights, not ${model}`,
    'for example model=yolov8n.yaml',
  );
}

/** A whole training run. */
async function epoch(config: BenchmarkConfig): Promise<BenchmarkResult> {
  const run = train({ ...config, mode: 'train', plots: false } as unknown as TrainConfig);
  for (;;) {
    const { done, value } = await run.next();
    if (!done) continue;
    return { epochs: config.epochs, wall_s: wall(), mAP50: value.mAP50 ?? 0, 'mAP50-95': value['mAP50-95'] ?? 0 };
  }
}

/** Decode, letterbox, network, NMS; nothing saved. The first pass is not counted. */
async function predictAll(config: BenchmarkConfig): Promise<BenchmarkResult> {
  const settings = {
    ...config,
    mode: 'predict',
    save: false,
    save_txt: false,
    save_crop: false,
    save_frames: false,
  } as unknown as PredictConfig;
  for await (const _ of predict(settings)) break;
  const start = performance.now();
  const speed = { preprocess: 0, inference: 0, postprocess: 0 };
  let images = 0;
  for await (const result of predict(settings)) {
    images++;
    for (const stage of Object.keys(speed) as (keyof typeof speed)[]) speed[stage] += result.speed[stage];
  }
  const seconds = (performance.now() - start) / 1000;
  const ms = Object.fromEntries(
    Object.entries(speed).map(([stage, sum]) => [stage, Number((sum / images).toFixed(2))]),
  );
  return { images, s_per_image: seconds / images, ms, wall_s: wall() };
}

async function val(config: BenchmarkConfig): Promise<BenchmarkResult> {
  const { summary: r } = await validate({ ...config, mode: 'val', plots: false } as unknown as ValConfig);
  const { images, precision, recall, mAP50, speed } = r;
  return { images, wall_s: wall(), precision, recall, mAP50, 'mAP50-95': r['mAP50-95'], speed_ms: speed };
}
