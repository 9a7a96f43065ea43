/** What a run was asked for: its settings beside the defaults, and the command line that asks for the same again. */
import { helpIn, type Mode } from '../cfg/option.js';
import { defaultOf, type Key, keysOf, optionOf } from '../cfg/schema.js';
import type { Setting } from '../render/report/data.js';

type Values = Partial<Record<Key, unknown>>;

/** In the table's order; what was changed can be told from the rest. */
export function settingRows(mode: Mode, config: Values): Setting[] {
  return keysOf(mode).map((key) => {
    const [value, usual] = [config[key], defaultOf(key, mode)];
    return {
      key,
      value: written(value),
      usual: written(usual),
      changed: differs(value, usual),
      help: helpIn(optionOf(key).help, mode),
    };
  });
}

/** `yolo train data=my.yaml epochs=10 …` with every key that is not as by default. */
export function commandLine(mode: Mode, config: Values): string {
  const keys = keysOf(mode).filter((key) => key !== 'resume' && differs(config[key], defaultOf(key, mode)));
  return ['yolo', mode, ...keys.map((key) => shellWord(`${key}=${written(config[key])}`))].join(' ');
}

function differs(value: unknown, usual: unknown): boolean {
  return written(value) !== written(usual);
}

/** As the command takes it. */
export function written(value: unknown): string {
  if (value === null || value === undefined) return '';
  return Array.isArray(value) ? `[${value.join(',')}]` : String(value);
}

/** Quoted for a POSIX shell where it must be. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
