/** What a program may write is what the option table says: each key of each mode is compiled against the packed package. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { defaultOf, KEYS, keysOf, optionOf } from '../../src/cfg/schema.js';
import { installPackage, linkPackage } from '../helpers/installed.js';
import { tmpDir } from '../helpers/tmp.js';

// Processes of their own, on machines that do other things besides.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const TSC = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));
const dir = tmpDir();

/** Calls of the API by mode, with `OPTIONS` in place of the options. */
const CALLS = {
  predict: "yolo.predict('x.jpg', OPTIONS)",
  val: 'yolo.val(OPTIONS)',
  train: 'yolo.train(OPTIONS)',
  export: 'yolo.export(OPTIONS)',
} as const;
type ApiMode = keyof typeof CALLS;
const API_MODES = Object.keys(CALLS) as ApiMode[];

/** Keys of the command that the object itself answers, or the program. */
const NOT_HERE: Record<ApiMode, string[]> = {
  predict: ['model', 'json', 'verbose', 'source', 'device'],
  val: ['model', 'json', 'verbose'],
  train: ['model', 'json', 'verbose'],
  export: ['model', 'json', 'verbose'],
};

const START = "import { YOLO } from 'yolov8-tfjs';\ndeclare const yolo: YOLO;\n";
const REFUSED = '// @ts-expect-error\n';

function call(mode: ApiMode, key: string, value: string): string {
  return `${CALLS[mode].replace('OPTIONS', `{ ${key}: ${value} }`)};\n`;
}

/** Each key of the table with its default: those of the mode compile, no other does. */
function keysIn(mode: ApiMode): string {
  const here = keysOf(mode).filter((key) => !NOT_HERE[mode].includes(key));
  const lines = KEYS.map((key) => {
    const line = call(mode, key, JSON.stringify(defaultOf(key, mode)));
    return here.includes(key) ? line : REFUSED + line;
  });
  return lines.join('');
}

/** Keys that take words: each word of the mode compiles, and no other. */
function wordsIn(mode: ApiMode): string {
  const keys = keysOf(mode).filter((key) => optionOf(key).allowed(mode).startsWith('one of '));
  const lines = keys.flatMap((key) => [
    ...optionOf(key)
      .offers(mode)
      .map((word) => call(mode, key, JSON.stringify(word))),
    REFUSED + call(mode, key, "'something else'"),
  ]);
  return lines.join('');
}

const SOURCES = `
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { Interrupted, log, progress, UserError, type PredictResult, type RgbImage, type SourceInput } from 'yolov8-tfjs';
const pixels: RgbImage = { data: new Uint8Array(3), width: 1, height: 1 };
async function* camera() {
  yield pixels;
}
const sources: SourceInput[] = [
  'x.jpg', 0, new URL('file:///x.jpg'), new Uint8Array(9), Buffer.alloc(9), new ArrayBuffer(9), pixels, new Blob([]),
  await fetch('http://localhost/x.jpg'), createReadStream('x.jpg'), Readable.from([pixels]), new Blob([]).stream(),
  ['x.jpg', pixels, new URL('http://localhost/x.jpg')], camera(), new Set(['x.jpg']),
];
${REFUSED}yolo.predict(null);
${REFUSED}yolo.predict(undefined);
const loaded: YOLO = await YOLO.load(new URL('file:///x.pt'));
const names: readonly string[] = loaded.names;
try {
  for (const source of sources) for await (const result of loaded.predict(source)) print(result);
} catch (error) {
  if (error instanceof Interrupted) log.warn(error.message);
  else if (error instanceof UserError) log.error(error.code + error.hint);
}
function print({ path, detections }: PredictResult): void {
  for (const { box: [x1, y1, x2, y2], name, confidence } of detections) log.info([path, names, x1, y1, x2, y2, name, confidence].join());
}
for await (const { epoch, metrics } of loaded.train({ data: 'x' }, { onBatch: ({ losses }) => log.info(String(losses.cls_loss)) }))
  log.info(String(epoch + (metrics?.mAP50 ?? 0)));
const { summary } = await loaded.val({}, { onBatch: (done, total) => log.info(String(done / total)) });
progress.setSink(({ label, done, total, unit }) => log.info([label, done, total, unit].join()));
log.info(String(summary['mAP50-95']));
`;

const inEach = (text: (mode: ApiMode) => string): string => API_MODES.map(text).join('');
const PROGRAMS: Record<string, string> = {
  ...Object.fromEntries(API_MODES.map((mode) => [`keys of ${mode}`, keysIn(mode)])),
  'no key takes anything at all': inEach((mode) =>
    keysOf(mode)
      .map((key) => REFUSED + call(mode, key, '() => 0'))
      .join(''),
  ),
  'words of keys that take words': inEach(wordsIn),
  'imgsz is [height, width] in predict and export alone': inEach((mode) => {
    const pair = call(mode, 'imgsz', '[320, 640]');
    return call(mode, 'imgsz', '320') + (mode === 'predict' || mode === 'export' ? pair : REFUSED + pair);
  }),
  'every mode takes a signal': inEach((mode) => call(mode, 'signal', 'AbortSignal.timeout(1000)')),
  'everything in use': SOURCES,
};
const names = Object.keys(PROGRAMS);

beforeAll(() => {
  const { folder } = installPackage(tmpDir());
  mkdirSync(join(dir, 'node_modules'));
  symlinkSync(folder, join(dir, 'node_modules/yolov8-tfjs'));
  for (const name of ['@types/node', 'undici-types']) linkPackage(name, join(dir, 'node_modules'));
  writeFileSync(join(dir, 'package.json'), '{ "type": "module" }');
  for (const [i, name] of names.entries()) writeFileSync(join(dir, `program${i}.ts`), START + PROGRAMS[name]);
});

/** @returns what the compiler says of all programs, line by line */
function compile(options: Record<string, unknown> = {}): string[] {
  const strict = { target: 'es2022', module: 'nodenext', strict: true, skipLibCheck: false, noEmit: true };
  const config = { compilerOptions: { ...strict, types: ['node'], ...options }, include: ['*.ts'] };
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify(config));
  const { stdout } = spawnSync(process.execPath, [TSC], { cwd: dir, encoding: 'utf8' });
  return stdout.split('\n').filter((line) => line !== '');
}

describe('options, in strict mode with the types that come with the package', () => {
  let said: string[];
  beforeAll(() => {
    said = compile();
  });

  it.each(names.map((name, i) => [name, `program${i}.ts`]))('%s', (_, file) => {
    expect(said.filter((line) => line.startsWith(file))).toEqual([]);
  });

  it('nothing is said of anything else', () => {
    expect(said).toEqual([]);
    expect(PROGRAMS['words of keys that take words']).toContain('"safetensors"');
    for (const mode of API_MODES) expect(PROGRAMS[`keys of ${mode}`].split(REFUSED).length).toBeLessThan(KEYS.length);
  });
});

it('for a bundler and the DOM, with the strictest options', () => {
  const bundler = { module: 'esnext', moduleResolution: 'bundler', lib: ['es2023', 'dom', 'dom.iterable'] };
  expect(compile({ ...bundler, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true })).toEqual([]);
});
