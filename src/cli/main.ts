/**
 * The command: reads the arguments, runs what they ask for, turns errors into messages and exit codes. 0: success;
 * 1: failure, or a bug (with its stack); 2: an invalid request; 130, 143, 129: Ctrl-C, SIGTERM, SIGHUP.
 * Help does not load TensorFlow or anything else large: commands import their engines dynamically.
 */
import type { Mode } from '../cfg/option.js';
import { Interrupted, UserError } from '../core/errors.js';
import { log } from '../core/log.js';
import { printable } from '../core/printable.js';
import { version } from '../core/version.js';
import { impliedMode, isKey, modeOf, parseArgv, type Request } from './argv.js';
import { endOnSignals, interruptedCode } from './interrupt.js';
import { endWithReader, err, keepStdoutForResults, print, printed, printText } from './terminal.js';
import { type CommandWord, isMode } from './words.js';

/** A module of commands/. */
interface Command {
  // biome-ignore lint/suspicious/noExplicitAny: each command takes the configuration of its own mode
  run(config: any): Promise<number>;
}

const MODE_COMMANDS: Record<Mode, () => Promise<Command>> = {
  train: () => import('./commands/train.js'),
  val: () => import('./commands/val.js'),
  predict: () => import('./commands/predict.js'),
  track: () => import('./commands/track.js'),
  export: () => import('./commands/export.js'),
  benchmark: () => import('./commands/benchmark.js'),
  check: () => import('./commands/check.js'),
  convert: () => import('./commands/convert.js'),
  show: () => import('./commands/show.js'),
  report: () => import('./commands/report.js'),
  merge: () => import('./commands/merge.js'),
};

/**
 * Runs `yolo` with these arguments.
 * @returns the exit code, after everything has been printed
 */
export async function main(tokens: readonly string[] = process.argv.slice(2)): Promise<number> {
  endWithReader();
  endOnSignals();
  try {
    return await dispatch(tokens);
  } catch (error) {
    return report(error);
  } finally {
    await printed();
  }
}

async function dispatch(tokens: readonly string[]): Promise<number> {
  if (tokens[0] === '--complete') {
    const { complete } = await import('./completion.js');
    for (const line of complete(tokens.slice(1))) print(line);
    return 0;
  }
  if (tokens.length === 0) return runCommand('help', { entries: {}, words: [] });
  const request = await parseArgv(tokens);
  return request.command === undefined ? runMode(request) : runCommand(request.command, request);
}

/** Configuration, then the mode's command. */
async function runMode({ mode, entries, words }: Request): Promise<number> {
  keepStdoutForResults();
  if (computes(mode, entries)) {
    const { startEngineAhead } = await import('../engine/start-ahead.js');
    await startEngineAhead(entries.device, usesOnednn(mode, entries));
  }
  const { modeInFile, resolveConfig } = await import('../cfg/load.js');
  if (mode === undefined) {
    const inFile = entries.cfg ? modeInFile(entries.cfg) : undefined;
    mode = typeof inFile === 'string' ? modeOf(inFile) : impliedMode(entries);
  }
  const config = resolveConfig(mode, words.length > 0 ? { ...entries, runs: words } : entries);
  log.setVerbose(config.verbose);
  const { showProgress } = await import('./progress.js');
  showProgress(config.verbose);
  const command = await MODE_COMMANDS[mode]();
  return command.run(config);
}

/** Modes that compute with TensorFlow, in the process of the command. */
const COMPUTING: readonly unknown[] = ['train', 'val', 'predict', 'track'] satisfies Mode[];

/** Whether these arguments are sure to need TensorFlow: other formats of models have engines of their own. */
function computes(mode: Mode | undefined, { model, cfg, processes }: Request['entries']): boolean {
  if (!COMPUTING.includes(mode) || cfg !== undefined || processes !== undefined || process.env.TF_CONFIG) return false;
  return model === undefined || /\.(pt|safetensors|ya?ml)$/.test(model);
}

/** As `onednn` of EngineOptions. */
function usesOnednn(mode: Mode | undefined, { half, augment }: Request['entries']): boolean {
  return mode === 'train' || (mode === 'val' && half === undefined && augment === undefined);
}

async function runCommand(word: CommandWord, { entries, words }: Pick<Request, 'entries' | 'words'>): Promise<number> {
  switch (word) {
    case 'help':
      printText(await help(words.find((w) => w !== 'detect')));
      return 0;
    case 'version':
      print(version());
      return 0;
    case 'completion':
      process.stdout.write((await import('./completion.js')).completionScript(words[0]));
      return 0;
    case 'cfg':
      return (await import('./commands/cfg.js')).printDefaults();
    case 'copy-cfg':
      return (await import('./commands/cfg.js')).copyDefaults();
    case 'checks':
      return (await import('./commands/checks.js')).run(words, entries.json === 'true');
    case 'setup':
      return (await import('./commands/setup.js')).run(words);
  }
}

/** General help, or that of a mode or key. */
async function help(about: string | undefined): Promise<string> {
  const { generalHelp, keyHelp, modeHelp, otherHelp } = await import('./help.js');
  if (about === undefined) return generalHelp(version());
  if (isMode(about)) return modeHelp(about);
  return isKey(about) ? keyHelp(about) : (otherHelp(about) ?? modeHelp(modeOf(about)));
}

/** Prints what went wrong; a stack only for bugs. @returns the exit code */
function report(error: unknown): number {
  if (error instanceof Interrupted) {
    log.info(error.message);
    return interruptedCode();
  }
  if (error instanceof UserError) {
    log.error(error.message);
    if (error.hint) process.stderr.write(`${err.dim(printable(error.hint))}\n`);
    return error.exitCode;
  }
  const sharp = sharpProblem(error);
  if (sharp) {
    log.error(sharp);
    process.stderr.write(`${err.dim('install it for this system: npm install sharp')}\n`);
    return 1;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  for (const [i, line] of stack.split('\n').entries())
    i ? process.stderr.write(`${printable(line)}\n`) : log.error(line);
  process.stderr.write('This is a bug in yolov8-tfjs. Please report it with the command and the lines above.\n');
  return 1;
}

/** Why the image library cannot be loaded, in one line; undefined for other errors. Its binary depends on the system. */
function sharpProblem(error: unknown): string | undefined {
  if (!(error instanceof Error) || !error.message.startsWith('Could not load the "sharp" module')) return undefined;
  const [first, second = ''] = error.message.split('\n');
  return printable(`${first}: ${second.trim()}`);
}
