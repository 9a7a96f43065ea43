import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface CliRun {
  code: number | null;
  /** That ended it, in the place of a code. */
  signal?: NodeJS.Signals;
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
  /** Called with each line as it is printed on either stream: to do something in the middle of the run. */
  onLine?: (line: string, child: ChildProcess) => void;
}

const BIN = fileURLToPath(new URL('../../bin/yolo.js', import.meta.url));

/** Runs the built command (dist/) as a child, without a terminal, and waits for its end. */
export function runCli(
  args: readonly string[],
  { cwd, env = {}, input, node = [], onLine }: CliOptions = {},
): Promise<CliRun> {
  const clean: NodeJS.ProcessEnv = {
    ...process.env,
    NO_COLOR: undefined,
    FORCE_COLOR: undefined,
    NODE_OPTIONS: undefined,
    TF_CPP_MIN_LOG_LEVEL: undefined, // set by TensorFlow's start in the process of the tests
  };
  const child = spawn(process.execPath, [...node, BIN, ...args], { cwd, env: { ...clean, ...env } });
  const [outLines, errLines] = [0, 1].map(() => lines((line) => onLine?.(line, child)));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
    outLines(text);
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
    errLines(text);
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, stdout, stderr, ...(signal && { signal }) }));
  });
}

/** Puts lines together from pieces of text. */
function lines(take: (line: string) => void): (text: string) => void {
  let rest = '';
  return (text) => {
    const whole = (rest + text).split('\n');
    rest = whole.pop() ?? '';
    for (const line of whole) take(line);
  };
}
