/** Set-up of a clone: installs dependencies and compiles the sources. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './paths.mjs';
import { npmCommand, run, say } from './process.mjs';

/** Digests of the inputs of the last installation and build; removed together with node_modules. */
const STAMPS = join(root, 'node_modules', '.yolo-setup.json');

/** Installs the dependencies if package.json or its lock file has changed. @returns whether it did @throws Error */
export async function installDependencies() {
  const digest = digestOf(['package.json', 'package-lock.json', '.npmrc']);
  if (readStamps().dependencies === digest) return false;
  const npm = npmCommand();
  if (!npm) throw new Error('npm was not found; it comes with Node');
  say('Installing dependencies (npm install) …');
  const { code } = await run(npm[0], [...npm[1], 'install', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    inherit: true,
  });
  if (code !== 0) throw new Error('npm install failed: see its message above');
  // npm may have updated the lock file.
  writeStamp('dependencies', digestOf(['package.json', 'package-lock.json', '.npmrc']));
  return true;
}

/** The detector of the exported page, yolo.js: one module without imports, for browsers (src/export/tfjs-page.ts copies it). */
const PAGE = { entry: 'src/browser/yolo.ts', bundle: 'dist/browser/yolo.bundle.js' };

/** Image kernels in AssemblyScript (src/image/pixels.ts loads the module). */
const PIXELS = { folder: 'native/pixels', entry: 'native/pixels/index.ts', module: 'dist/pixels.wasm' };

/**
 * Compiles src and native/pixels to dist and bundles the page's detector if a source has changed, and removes outputs
 * without a source.
 * @returns whether it did
 * @throws Error with the messages of the compiler
 */
export async function buildSources() {
  const sources = list('src').filter((file) => file.endsWith('.ts'));
  const settings = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json', 'bin/setup/project.mjs'];
  const digest = digestOf([...settings, ...list(PIXELS.folder), ...sources]);
  const outputs = [
    PAGE.bundle,
    PIXELS.module,
    ...sources.map((file) => file.replace(/^src/, 'dist').replace(/\.ts$/, '.js')),
  ];
  if (readStamps().build === digest && outputs.every((file) => existsSync(join(root, file)))) return false;
  say('Compiling src (tsc) …');
  await compile('src', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json']);
  await compilePixels();
  await bundlePage();
  const expected = new Set(outputs);
  for (const file of list('dist')) {
    const source = file.replace(/\.d\.ts$/, '.js');
    if (/\.(js|d\.ts)$/.test(file) && !expected.has(source)) rmSync(join(root, file));
  }
  writeStamp('build', digest);
  return true;
}

/** Compiles with AssemblyScript, a development dependency; the module needs no runtime and allocates nothing. */
async function compilePixels() {
  const options = ['--enable', 'simd', '--runtime', 'stub', '-O3', '--noAssert', '--initialMemory', '1'];
  await compile(PIXELS.folder, [
    'node_modules/assemblyscript/bin/asc.js',
    PIXELS.entry,
    '-o',
    PIXELS.module,
    ...options,
  ]);
}

/** Runs a compiler, a script of Node. @throws Error with its messages */
async function compile(folder, [script, ...args]) {
  const { code, output } = await run(process.execPath, [join(root, script), ...args], { cwd: root });
  if (code !== 0) throw new Error(`${folder} does not compile:\n${output.trim()}`);
}

/** Bundles with esbuild, a development dependency. */
async function bundlePage() {
  const { build } = await import('esbuild');
  await build({
    absWorkingDir: root,
    entryPoints: [PAGE.entry],
    outfile: PAGE.bundle,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    banner: { js: '/* Detection in a browser, by yolov8-tfjs (Apache-2.0). yolo.d.ts says what is in here. */' },
    logLevel: 'error',
  });
}

/** Files under a folder of the project, in a fixed order, with forward slashes. */
function list(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length).replaceAll('\\', '/'))
    .sort();
}

function digestOf(files) {
  const hash = createHash('sha256');
  for (const file of files) {
    const path = join(root, file);
    hash.update(`${file}\0`).update(existsSync(path) ? readFileSync(path) : '');
  }
  return hash.digest('hex');
}

function readStamps() {
  try {
    return JSON.parse(readFileSync(STAMPS, 'utf8'));
  } catch {
    return {};
  }
}

function writeStamp(name, digest) {
  mkdirSync(dirname(STAMPS), { recursive: true });
  const next = `${STAMPS}.${process.pid}`;
  writeFileSync(next, JSON.stringify({ ...readStamps(), [name]: digest }));
  renameSync(next, STAMPS); // not in place: copies of node_modules made of hard links share the old file
}
