/** ffmpeg as a child process: its version, its messages, and its end with this process at the latest. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { UserError } from '../core/errors.js';

const running = new Set<ChildProcess>();
let exitHook = false;
/** Versions by path. */
const versions = new Map<string, Promise<number>>();

/**
 * @param purpose subject of the message if it is missing, e.g. 'reading a.mp4'
 * @returns major and minor version of ffmpeg as one number, e.g. 5.1
 * @throws UserError 'no-ffmpeg' if it is not installed
 */
export function requireFfmpeg(purpose: string): Promise<number> {
  const path = ffmpeg();
  let version = versions.get(path);
  if (!version) {
    version = promisify(execFile)(path, ['-version']).then(({ stdout }) => {
      const numbers = /version \D?(\d+\.\d+)/.exec(stdout);
      return numbers ? Number(numbers[1]) : 99; // the version of a build from git is a date or a hash
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

/** Whether ffmpeg is installed. */
export async function hasFfmpeg(): Promise<boolean> {
  return requireFfmpeg('').then(
    () => true,
    () => false,
  );
}

/** @returns standard output of ffmpeg for an option such as -encoders */
export async function queryFfmpeg(option: string): Promise<string> {
  const { stdout } = await promisify(execFile)(ffmpeg(), ['-hide_banner', option], { maxBuffer: 1 << 24 });
  return stdout;
}

function ffmpeg(): string {
  return process.env.FFMPEG_PATH || 'ffmpeg';
}

/** A running ffmpeg. */
export interface Child {
  process: ChildProcess;
  /** Resolves with the exit status (−1 if it was killed or not started). */
  done: Promise<number>;
  /** Kills it if it is running, and waits for its end. */
  stop(): Promise<void>;
  /** Its standard error; the middle of a long output is left out. */
  messages(): string;
  /** The last message of standard error. */
  reason(): string;
}

/** Starts ffmpeg; it is killed when this process exits. */
export function startFfmpeg(args: string[], stdio: ('ignore' | 'pipe')[]): Child {
  if (!exitHook) {
    exitHook = true;
    process.on('exit', () => {
      for (const child of running) child.kill('SIGKILL');
    });
  }
  // A separate process group: Ctrl-C in a terminal must not end a writer before its file is complete.
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

/** Collects up to 20 kB of standard error: the beginning (description of the input) and the end (errors). */
function keepText(child: ChildProcess): Pick<Child, 'messages' | 'reason'> {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    text = text.length < 20_000 ? text + part : text.slice(0, 8_000) + (text.slice(8_000) + part).slice(-12_000);
  });
  return {
    messages: () => text,
    reason() {
      const lines = text.split('\n').filter((line) => line.trim() && !/^( |Conversion failed)/.test(line));
      return lines.at(-1)?.trim() ?? 'ffmpeg printed no message';
    },
  };
}
