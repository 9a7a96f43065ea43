/** ffmpeg as a child process: is it there, which one, start it, hear what it says, and never leave it behind. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { UserError } from '../core/errors.js';

const running = new Set<ChildProcess>();
let exitHook = false;
/** Version of each ffmpeg that was asked for, by path. */
const versions = new Map<string, Promise<number>>();

/** Major and minor version of ffmpeg as one number, e.g. 5.1. @throws UserError 'no-ffmpeg' */
export function requireFfmpeg(purpose: string): Promise<number> {
  const path = ffmpeg();
  let version = versions.get(path);
  if (!version) {
    version = promisify(execFile)(path, ['-version']).then(({ stdout }) => {
      const numbers = /version \D?(\d+\.\d+)/.exec(stdout);
      return numbers ? Number(numbers[1]) : 99; // a build from git calls itself by a date or a hash
    });
    versions.set(path, version);
  }
  return version.catch(() => {
    versions.delete(path);
    throw new UserError(
      'no-ffmpeg',
      `${purpose} needs ffmpeg, and there is no ffmpeg on this machine`,
      "install it (Debian, Ubuntu: 'apt install ffmpeg'; macOS: 'brew install ffmpeg') or set FFMPEG_PATH",
    );
  });
}

export async function hasFfmpeg(): Promise<boolean> {
  return requireFfmpeg('').then(
    () => true,
    () => false,
  );
}

/** What it prints to standard output for a question such as -encoders. */
export async function askFfmpeg(question: string): Promise<string> {
  const { stdout } = await promisify(execFile)(ffmpeg(), ['-hide_banner', question], { maxBuffer: 1 << 24 });
  return stdout;
}

function ffmpeg(): string {
  return process.env.FFMPEG_PATH || 'ffmpeg';
}

/** A running ffmpeg. */
export interface Child {
  process: ChildProcess;
  /** Resolves with the exit status (−1 when killed or not started). */
  done: Promise<number>;
  /** Kills it if it runs, and waits until it is gone. */
  stop(): Promise<void>;
  /** Its standard error, the middle left out when it is long. */
  messages(): string;
  /** The last line of it that says something. */
  reason(): string;
}

/** Starts it; when this process ends, so does it. */
export function startFfmpeg(args: string[], stdio: ('ignore' | 'pipe')[]): Child {
  if (!exitHook) {
    exitHook = true;
    process.on('exit', () => {
      for (const child of running) child.kill('SIGKILL');
    });
  }
  // A process group of its own: Ctrl-C in a terminal must not end a writer before its file is finished.
  const child = spawn(ffmpeg(), args, { stdio, windowsHide: true, detached: process.platform !== 'win32' });
  running.add(child);
  const done = new Promise<number>((resolve) => {
    child.once('error', () => resolve(-1));
    child.once('close', (code) => resolve(code ?? -1));
  }).finally(() => running.delete(child));
  return {
    process: child,
    done,
    ...keepText(child),
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      child.stdout?.destroy();
      await done;
    },
  };
}

/** Collects up to 20 kB of standard error: the beginning, which tells of the input, and the end, which tells of errors. */
function keepText(child: ChildProcess): Pick<Child, 'messages' | 'reason'> {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    text = text.length < 20_000 ? text + part : text.slice(0, 8_000) + (text.slice(8_000) + part).slice(-12_000);
  });
  return {
    messages: () => text,
    reason() {
      const lines = text.split('\n').filter((line) => line.trim() && !/^( |Conversion failed)/.test(line));
      return lines.at(-1)?.trim() ?? 'ffmpeg said nothing';
    },
  };
}
