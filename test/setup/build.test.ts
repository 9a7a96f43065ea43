import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { tmpDir } from '../helpers/tmp.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const dir = tmpDir();

/** A project of three files with this one's build and vitest configuration. */
beforeAll(() => {
  const needed = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'vitest.config.ts', 'bin', 'native'];
  for (const name of [...needed, 'test/helpers/fresh-build.ts'])
    cpSync(join(ROOT, name), join(dir, name), { recursive: true });
  // A folder of its own: the digest of the last build is kept in it.
  mkdirSync(join(dir, 'node_modules'));
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (!name.startsWith('.')) symlinkSync(join(ROOT, 'node_modules', name), join(dir, 'node_modules', name));
  mkdirSync(join(dir, 'src/deep'), { recursive: true });
  writeFileSync(join(dir, 'src/answer.ts'), 'export const answer: number = 1;\n');
  writeFileSync(join(dir, 'src/deep/gone.ts'), 'export const gone = true;\n');
  mkdirSync(join(dir, 'src/browser'));
  writeFileSync(join(dir, 'src/browser/yolo.ts'), "export { answer } from '../answer.js';\n");
});

function build() {
  return spawnSync(process.execPath, ['bin/build.mjs'], { cwd: dir, encoding: 'utf8' });
}

it('compiles and bundles what changed, removes what has no source any more, and else does nothing', () => {
  expect(build()).toMatchObject({ status: 0, stderr: 'Compiling src (tsc) …\n' });
  expect(existsSync(join(dir, 'dist/pixels.wasm'))).toBe(true);
  expect(build()).toMatchObject({ status: 0, stderr: '' });
  writeFileSync(join(dir, 'src/answer.ts'), 'export const answer: number = 2;\n');
  rmSync(join(dir, 'src/deep/gone.ts'));
  expect(build().status).toBe(0);
  expect(readFileSync(join(dir, 'dist/answer.js'), 'utf8')).toContain('answer = 2');
  const bundle = readFileSync(join(dir, 'dist/browser/yolo.bundle.js'), 'utf8');
  expect(bundle).toContain('answer = 2');
  expect(bundle).not.toMatch(/^import /m);
  for (const file of ['gone.js', 'gone.d.ts']) expect(existsSync(join(dir, 'dist/deep', file)), file).toBe(false);
});

it('what does not compile is told without a stack', () => {
  writeFileSync(join(dir, 'src/answer.ts'), "export const answer: number = 'two';\n");
  const { status, stderr } = build();
  expect(status).toBe(1);
  expect(stderr).toContain("src/answer.ts(1,14): error TS2322: Type 'string' is not assignable to type 'number'.");
  expect(stderr).not.toMatch(/\n\s+at /);
});

it('a plain vitest builds before it tests', () => {
  writeFileSync(join(dir, 'src/answer.ts'), 'export const answer: number = 3;\n');
  const test = `import { expect, it } from 'vitest';
    import { answer } from '../dist/answer.js';
    it('is fresh', () => expect(answer).toBe(3));\n`;
  writeFileSync(join(dir, 'test/answer.test.ts'), test);
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [vitest, 'run'], { cwd: dir, encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
});

it('copies of node_modules made of hard links keep their own record of the last build', () => {
  const record = join(dir, 'node_modules/.yolo-setup.json');
  const copy = join(dir, 'record-of-a-copy.json');
  linkSync(record, copy);
  const before = readFileSync(copy, 'utf8');
  writeFileSync(join(dir, 'src/answer.ts'), 'export const answer: number = 4;\n');
  expect(build().status).toBe(0);
  expect(readFileSync(copy, 'utf8')).toBe(before);
  expect(readFileSync(record, 'utf8')).not.toBe(before);
});
