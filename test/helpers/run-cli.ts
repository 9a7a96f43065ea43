import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface CliRun {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  cwd?: string;
  /** Over the environment of the tests; undefined takes a variable away. */
  env?: Record<string, string | undefined>;
  /** Written to its standard input. */
  input?: string | Uint8Array;
  /** Flags of node itself. */
  node?: string[];
}

const BIN = fileURLToPath(new URL('../../bin/yolo.js', import.meta.url));

/** Runs the built command (dist/) as a child, without a terminal, and waits for its end. */
export function runCli(args: readonly string[], { cwd, env = {}, input, node = [] }: CliOptions = {}): Promise<CliRun> {
  const clean: NodeJS.ProcessEnv = {
    ...process.env,
    NO_COLOR: undefined,
    FORCE_COLOR: undefined,
    NODE_OPTIONS: undefined,
  };
  const child = spawn(process.execPath, [...node, BIN, ...args], { cwd, env: { ...clean, ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
