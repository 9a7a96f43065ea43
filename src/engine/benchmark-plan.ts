/** What `yolo benchmark what=all` measures: commands as users give them, each to be run in a process of its own. */
import { join } from 'node:path';
import { hasBfloat16 } from '../backend/bfloat16.js';
import { show } from '../cfg/convert.js';
import { wasGiven } from '../cfg/load.js';
import type { Mode } from '../cfg/option.js';
import { type ConfigOf, type Key, keysOf } from '../cfg/schema.js';
import { openDataset } from '../data/dataset.js';
import { writeFileAtomic } from '../io/files.js';

/** One command. */
export interface Measure {
  /** 'step 320 b8' */
  name: string;
  precision: 'float32' | 'bfloat16';
  /** Arguments of `yolo`. */
  args: string[];
  /** The command prints the seconds of a step for an image; otherwise its whole process counts. */
  step: boolean;
  /** Images that the time is divided by; 0: it is not. */
  images: number;
}

/** Size and batch of the training steps, unless they are given. */
const STEPS: [imgsz: number, batch: number][] = [
  [320, 8],
  [640, 4],
  [640, 16],
];
const EPOCH = { imgsz: 320, batch: 16, epochs: 2 };
/** Keys that the plan sets itself. */
const OWN: readonly Key[] = [
  ...(['what', 'model', 'data', 'source', 'imgsz', 'batch', 'epochs', 'steps', 'repeats', 'threads'] as const),
  ...(['amp', 'half', 'project', 'name', 'exist_ok', 'plots', 'verbose'] as const),
];

/**
 * @param folder for what the commands write
 * @throws UserError when the dataset cannot be used
 */
export async function planBenchmark(config: ConfigOf<'benchmark'>, folder: string): Promise<Measure[]> {
  const data = config.data!;
  const { images } = await openDataset(data, 'val');
  const list = join(folder, 'images.txt');
  writeFileAtomic(list, `${images.map(({ path }) => path).join('\n')}\n`);
  const size = given(config, ['imgsz', 'batch']);
  const model = `model=${config.model}`;
  const steps = Object.keys(size).length > 0 ? [[config.imgsz, config.batch]] : STEPS;
  const training = { ...EPOCH, ...size, ...given(config, ['epochs']) };
  const predicting = [model, `source=${list}`, ...pairs(given(config, ['imgsz']))];
  const precisions = hasBfloat16({}) ? (['float32', 'bfloat16'] as const) : (['float32'] as const);
  const measures: Measure[] = [];
  for (const precision of precisions) {
    const amp = precision === 'bfloat16' ? 'amp=bf16' : 'amp=false';
    const half = precision === 'bfloat16' ? ['half=true'] : [];
    const add = (name: string, mode: Mode, args: string[], { step = false, images = 0 } = {}): void => {
      const own = [...args, ...pairs(forwarded(config, mode)), `project=${folder}`, 'name=run', 'exist_ok=true'];
      measures.push({ name, precision, args: [mode, ...own], step, images });
    };
    add('val', 'val', [model, `data=${data}`, ...pairs(size), 'plots=false', ...half], { images: images.length });
    add('predict', 'predict', [...predicting, 'save=false', ...half], { images: images.length });
    add('predict, saving', 'predict', [...predicting, 'save=true', ...half], { images: images.length });
    const one = [model, `source=${images[0].path}`, ...pairs(given(config, ['imgsz']))];
    add('predict one image', 'predict', [...one, 'save=false', ...half], { images: 1 });
    for (const [imgsz, batch] of steps)
      add(
        `training step ${imgsz} b${batch}`,
        'benchmark',
        ['what=step', model, `imgsz=${imgsz}`, `batch=${batch}`, `steps=${config.steps}`, amp],
        { step: true, images: batch },
      );
    const { imgsz, batch, epochs } = training;
    add(`train, ${epochs} epochs ${imgsz} b${batch}`, 'train', [
      model,
      `data=${data}`,
      ...pairs(training),
      'plots=false',
      amp,
    ]);
  }
  return measures;
}

/** Of these keys those that the user gave. */
function given(config: ConfigOf<'benchmark'>, keys: readonly Key[]): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => wasGiven(config, key)).map((key) => [key, config[key as 'imgsz']]));
}

/** What the user gave for a mode. */
function forwarded(config: ConfigOf<'benchmark'>, mode: Mode): Record<string, unknown> {
  return given(
    config,
    keysOf(mode).filter((key) => !OWN.includes(key)),
  );
}

function pairs(values: Record<string, unknown>): string[] {
  return Object.entries(values).map(([key, value]) => `${key}=${show(value)}`);
}
