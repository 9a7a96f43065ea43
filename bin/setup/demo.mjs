/**
 * `npm run demo`: trains, validates and predicts on generated images, in about a minute on two cores. Each step is a
 * command, which is printed before it runs.
 */
import { spawn } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheDir, engineReady, root } from './paths.mjs';
import { say } from './process.mjs';

const PROJECT = 'runs/demo';
const DATA = 'shapes:size=128,count=400,classes=4,objects=3,difficulty=0';
/** For a training of 280 steps: one step for each batch (nbs = batch), no mosaic, a short warm-up. It reaches mAP50 0.93. */
const RECIPE =
  'model=yolov8n.yaml imgsz=128 batch=16 nbs=16 epochs=14 optimizer=AdamW lr0=0.002 momentum=0.9 warmup_epochs=1 warmup_bias_lr=0 mosaic=0 scale=0.2';

/**
 * @param {string[]} overrides options of the training, which override those of the demo
 * @returns {Promise<number>} exit code: that of the first step that failed, else 0
 */
export async function demo(overrides = []) {
  if (!engineReady()) {
    say('The demo trains a model, and training needs the native engine. See the line above for what to install.');
    return 1;
  }
  rmSync(join(root, PROJECT), { recursive: true, force: true });
  const best = `${PROJECT}/train/weights/best.safetensors`;
  const recipe = `data=${DATA} ${RECIPE}`;
  const steps = [
    () => [`train ${recipe} project=${PROJECT} name=train`, ...overrides].join(' '),
    () => `val model=${best} data=${DATA} imgsz=128 project=${PROJECT} name=val`,
    () => `predict model=${best} source=${images()} imgsz=128 project=${PROJECT} name=predict`,
  ];
  for (const step of steps) {
    const command = step();
    say(`\n$ npx yolo ${command}`);
    const code = await yolo(command.split(' '));
    if (code !== 0) return code;
  }
  say(`\nLook at ${PROJECT}/predict (found objects) and ${PROJECT}/train (curves, weights).`);
  return 0;
}

/** The validation images of `data=shapes`, which training has generated. */
function images() {
  const datasets = join(cacheDir(), 'datasets');
  const wanted = DATA.slice('shapes:'.length).replaceAll('=', '').split(',');
  const name = readdirSync(datasets).find((folder) => wanted.every((setting) => folder.includes(setting)));
  return join(datasets, name, 'images/val');
}

function yolo(args) {
  const child = spawn(process.execPath, [join(root, 'bin/yolo.js'), ...args], { cwd: root, stdio: 'inherit' });
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? 130)));
}
