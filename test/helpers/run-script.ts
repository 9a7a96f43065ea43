import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const API = new URL('../../dist/index.js', import.meta.url).href;

/**
 * Runs a program that uses the built package, in a process of its own.
 * @param dir its working folder, into which it is written
 * @param body statements with everything that the package exports in `api`; what it returns comes back through JSON
 * @throws with its standard error when it does not end well
 */
export async function runScript<T>(dir: string, body: string): Promise<T> {
  const mark = randomUUID();
  const file = join(dir, 'program.mjs');
  writeFileSync(
    file,
    `import * as api from ${JSON.stringify(API)};
const main = async () => {${body}
};
const answer = await main();
process.stdout.write(${JSON.stringify(mark)} + JSON.stringify(answer));
`,
  );
  const child = spawn(process.execPath, [file], { cwd: dir });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  const [, answer] = stdout.split(mark);
  if (code !== 0 || answer === undefined) throw new Error(`the program ended with code ${code}:\n${stdout}\n${stderr}`);
  return JSON.parse(answer);
}
