/** What a run was asked for: its settings beside the defaults, and the command line that asks for the same again. */
import { wasGiven } from '../../cfg/load.js';
import { helpIn, type Mode } from '../../cfg/option.js';
import { defaultOf, type Key, keysOf, optionOf, type TrainConfig } from '../../cfg/schema.js';
import type { Setting } from '../../render/report/data.js';

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

/**
 * `yolo train data=my.yaml epochs=10 …` with every key that is not as by default.
 * @param also keys that are named in any case
 */
export function commandLine(mode: Mode, config: Values, also: readonly Key[] = []): string {
  const keys = keysOf(mode).filter(
    (key) => key !== 'resume' && (also.includes(key) || differs(config[key], defaultOf(key, mode))),
  );
  return wordsOf(mode, config, keys);
}

function wordsOf(mode: Mode, config: Values, keys: readonly Key[]): string {
  return ['yolo', mode, ...keys.map((key) => shellWord(`${key}=${written(config[key])}`))].join(' ');
}

/** The command of a fresh training run. With `optimizer=auto` a rate that was given is named even where it is the default: `auto` keeps it. */
export function trainCommand(config: TrainConfig, batch: number): string {
  const rates = (['lr0', 'momentum', 'warmup_bias_lr'] as const).filter((key) => wasGiven(config, key));
  return commandLine('train', { ...config, batch }, config.optimizer === 'auto' ? rates : []);
}

/** Keys that change how a run is carried out and shown, not its result. */
const ASIDE: readonly Key[] = ['workers', 'cache', 'verbose', 'json', 'plots', 'model', 'exist_ok', 'project', 'name'];

/**
 * What has to follow the commands of a run so far for the same to come of it: nothing when it was resumed as it was.
 * @param changed keys that the resumed run has otherwise
 * @param stand where it was resumed, and how many epochs it was to have
 */
export function resumeCommand(
  config: TrainConfig,
  changed: readonly Key[],
  { progress, epochs }: { progress: { epoch: number; batchInEpoch: number }; epochs: number },
): string[] {
  const keys = changed.filter((key) => !ASIDE.includes(key));
  if (keys.length === 0) return [];
  const { epoch, batchInEpoch } = progress;
  const place = batchInEpoch > 0 ? `in epoch ${epoch + 1}, after batch ${batchInEpoch}` : `after epoch ${epoch}`;
  const values: Values = { ...config, resume: true };
  const project: Key[] = config.project === null ? [] : ['project'];
  const command = wordsOf('train', values, ['resume', ...project, ...keys]);
  return epoch < epochs ? [`# interrupted ${place}, then:`, command] : [command];
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
