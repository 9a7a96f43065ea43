/**
 * `npm run demo`: the whole tool in about a minute on two cores, on pictures that it draws itself. Every step is an
 * ordinary command that is printed before it runs.
 */
import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { engineReady, root } from './paths.mjs';
import { say } from './process.mjs';

const PROJECT = 'runs/demo';

/** @returns {Promise<number>} exit code: that of the first step that failed, else 0 */
export async function demo() {
  if (!engineReady()) {
    say('The demo trains a model, and training needs the native engine. See the line above for what to install.');
    return 1;
  }
  rmSync(join(root, PROJECT), { recursive: true, force: true });
  const best = `${PROJECT}/train/weights/best.safetensors`;
  const recipe = 'data=shapes model=yolov8n.yaml imgsz=160 batch=16 epochs=20 close_mosaic=5 seed=0';
  const steps = [
    `train ${recipe} project=${PROJECT} name=train`,
    `val model=${best} data=shapes imgsz=160 project=${PROJECT} name=val`,
    `predict model=${best} source=shapes imgsz=160 project=${PROJECT} name=predict`,
  ];
  for (const step of steps) {
    say(`\n$ npx yolo ${step}`);
    const code = await yolo(step.split(' '));
    if (code !== 0) return code;
  }
  say(`\nLook at ${PROJECT}/predict (found objects) and ${PROJECT}/train (curves, weights).`);
  return existsSync(join(root, best)) ? 0 : 1;
}

function yolo(args) {
  const child = spawn(process.execPath, [join(root, 'bin/yolo.js'), ...args], { cwd: root, stdio: 'inherit' });
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? 130)));
}
