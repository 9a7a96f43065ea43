/** Messages, progress and child processes of the set-up. Plain JavaScript without dependencies. */
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A reason why an engine cannot be set up, and its remedy. */
export class SetupProblem extends Error {
  /** @param {string} why completes "because …" @param {string} faster what to do about it */
  constructor(why, faster) {
    super(why);
    this.why = why;
    this.faster = faster;
  }
}

/** Writes a line to standard error. */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/**
 * A progress bar: one line that is updated on a terminal; elsewhere a line for each quarter.
 * @returns a function to call with the fraction done, 0..1; 1 ends the line
 */
export function progress(label) {
  let shown = -1;
  return (part) => {
    const percent = Math.min(100, Math.floor(part * 100));
    if (process.stderr.isTTY) {
      if (percent === shown) return;
      process.stderr.write(`\r${label} ${String(percent).padStart(3)} %${percent === 100 ? '\n' : ''}`);
      shown = percent;
    } else if (shown < 0 || Math.floor(percent / 25) > Math.floor(shown / 25)) {
      say(`${label} ${percent} %`);
      shown = percent;
    }
  };
}

/** @returns full path of the first of these programs in PATH, or undefined */
export function findProgram(...names) {
  const endings = process.platform === 'win32' ? ['.exe', '.cmd', '.bat'] : [''];
  for (const name of names) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      for (const ending of endings) {
        const file = join(folder, name + ending);
        if (folder && isExecutable(file)) return file;
      }
    }
  }
  return undefined;
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

const running = new Set();

/**
 * Runs a program without a shell and captures its output.
 * @returns {Promise<{code: number | null, output: string}>} code null when it could not be started or was killed
 */
export function run(program, args, { cwd, env, inherit = false } = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', inherit ? 2 : 'pipe', inherit ? 2 : 'pipe'],
      shell: /\.(cmd|bat)$/i.test(program),
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    running.add(child);
    child.on('error', (error) => {
      running.delete(child);
      resolve({ code: null, output: error.message });
    });
    child.on('close', (code) => {
      running.delete(child);
      resolve({ code, output });
    });
  });
}

/** Ends all running programs that run() has started. */
export function stopPrograms() {
  for (const child of running) child.kill();
}

/** The npm that runs this process, else that of PATH. @returns {[string, string[]] | undefined} */
export function npmCommand() {
  const script = process.env.npm_execpath;
  if (script && /npm-cli\.c?js$/.test(script)) return [process.execPath, [script]];
  const npm = findProgram('npm');
  return npm ? [npm, []] : undefined;
}

/** @returns the last line of a program's output with an error, else the last line that is not blank */
export function lastLine(output) {
  const lines = output
    .trim()
    .split('\n')
    .filter((line) => line.trim() !== '');
  const errors = lines.filter((line) => /error|ERR!|no module/i.test(line));
  return (errors.at(-1) ?? lines.at(-1) ?? 'no message').trim().slice(0, 300);
}
