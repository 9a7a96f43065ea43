/**
 * One row of the option table: name, values and meaning of a key. Parser, help, completion, default.yaml and the types of the
 * configuration are derived from these rows (as in vitest's cli-config).
 */

export const MODES = [
  'train',
  'val',
  'predict',
  'track',
  'export',
  'benchmark',
  'check',
  'convert',
  'show',
  'report',
  'merge',
] as const;
export type Mode = (typeof MODES)[number];

/** A value from the command line, a YAML file or a program, after none, true, false, numbers and lists are recognized. */
export type Raw = null | boolean | number | string | Raw[];

/** `T` is the value's type, `M` the modes that use the key; the option types of the API come from both. */
export interface Option<T, M extends Mode = Mode> {
  default: T;
  /** Defaults that differ by mode; default.yaml has null for them. */
  modeDefaults: Partial<Record<Mode, T>>;
  /** Modes that use the key; other modes ignore it with a warning. */
  modes: readonly M[];
  /** Heading under which help and default.yaml list it. */
  group: string;
  help: string;
  /** The valid values, for messages: "an integer of at least 1". */
  allowed: (mode: Mode) => string;
  /** The hint when a value is refused: what to do instead. */
  advice?: Advice;
  /** The words that a choice takes; absent for other keys. */
  words?: (mode: Mode) => readonly string[];
  /** Values that completion offers. */
  offers: (mode: Mode) => string[];
  /** The key alone, without a value, means true. */
  isFlag: boolean;
  /** A file or folder: completion offers files. */
  isPath: boolean;
  /** The value in the key's type; undefined when it is not allowed. `text` is what the user wrote. */
  read: (raw: Raw, text: string, mode: Mode) => T | undefined;
}

/**
 * The help text for one mode. Parts, separated by semicolons, that begin with the names of other modes are left out
 * (`train: write checkpoints; predict: write annotated images`).
 */
export function helpIn(help: string, mode: Mode): string {
  const parts = help.split('; ').flatMap((part) => {
    const [, names, rest] = /^([a-z]+(?:, [a-z]+)*): (.*)$/.exec(part) ?? [];
    const about = names?.split(', ') ?? [];
    if (about.length === 0 || !about.every((name) => (MODES as readonly string[]).includes(name))) return [part];
    return about.includes(mode) ? [rest] : [];
  });
  return parts.join('; ') || help;
}

/** Optional properties of a row. */
export interface More<T> {
  /** Defaults that differ by mode. */
  by?: Partial<Record<Mode, T>>;
  advice?: Advice;
}

/** The same for every value, or depending on the value. */
export type Advice = string | ((given: string, mode: Mode) => string | undefined);

type Widen<D, T> = null extends D ? T | null : T;
const orNone = (text: string, nullable: boolean): string => (nullable ? `${text}, or none` : text);

type Parts<T> = Pick<Option<T>, 'read' | 'allowed'> &
  Partial<Pick<Option<T>, 'words' | 'offers' | 'isFlag' | 'isPath'>>;

function build<T, M extends Mode>(
  fallback: T,
  modes: readonly M[],
  help: string,
  parts: Parts<T>,
  more: More<T>,
): Option<T, M> {
  const common = { offers: () => [], isFlag: false, isPath: false, group: '' };
  const each = [...new Set(modes)];
  return {
    ...common,
    default: fallback,
    modes: each,
    help,
    modeDefaults: more.by ?? {},
    advice: more.advice,
    ...parts,
  };
}

/** true or false; named alone it means true. */
export function flag<M extends Mode>(
  fallback: boolean,
  modes: readonly M[],
  help: string,
  more: More<boolean> = {},
): Option<boolean, M> {
  const parts = { isFlag: true, allowed: () => 'true or false', offers: () => ['true', 'false'], read: readFlag };
  return build(fallback, modes, help, parts, more);
}

function readFlag(raw: Raw): boolean | undefined {
  if (typeof raw === 'boolean') return raw;
  return raw === 1 ? true : raw === 0 ? false : undefined;
}

interface Range {
  min?: number;
  max?: number;
  /** The value itself is not allowed, only what is above it. */
  above?: number;
}

function inRange(x: number, { min = -Infinity, max = Infinity, above = -Infinity }: Range): boolean {
  return x >= min && x <= max && (above === -Infinity || x > above);
}

function describe(kind: string, { min, max, above }: Range): string {
  if (min !== undefined && max !== undefined) return `${kind} from ${min} to ${max}`;
  if (min !== undefined) return `${kind} of at least ${min}`;
  const low = above === undefined ? '' : ` over ${above}`;
  return max === undefined ? `${kind}${low}` : `${kind}${low && `${low} and`} at most ${max}`;
}

type NumberMore<D> = More<Widen<D, number>> & Range;

function numeric<D extends number | null, M extends Mode>(
  kind: string,
  ok: (x: number) => boolean,
  [fallback, modes, help, more]: [D, readonly M[], string, NumberMore<D>],
): Option<Widen<D, number>, M> {
  const nullable = fallback === null;
  const read = (raw: Raw): number | null | undefined => {
    if (raw === null && nullable) return null;
    return typeof raw === 'number' && ok(raw) && inRange(raw, more) ? raw : undefined;
  };
  const allowed = (): string => orNone(describe(kind, more), nullable);
  const parts = { allowed, read: read as Option<Widen<D, number>>['read'] };
  return build(fallback as Widen<D, number>, modes, help, parts, more);
}

/** A number in a range; nullable when its default is null. */
export function number<D extends number | null, M extends Mode>(
  fallback: D,
  modes: readonly M[],
  help: string,
  more: NumberMore<D> = {},
): Option<Widen<D, number>, M> {
  return numeric('a number', Number.isFinite, [fallback, modes, help, more]);
}

/** An integer in a range (1e2 and 100.0 are integers too); nullable when its default is null. */
export function integer<D extends number | null, M extends Mode>(
  fallback: D,
  modes: readonly M[],
  help: string,
  more: NumberMore<D> = {},
): Option<Widen<D, number>, M> {
  return numeric('an integer', Number.isSafeInteger, [fallback, modes, help, more]);
}

/** Free text, or a path; nullable when its default is null. */
export function text<D extends string | null, M extends Mode>(
  fallback: D,
  modes: readonly M[],
  help: string,
  more: More<Widen<D, string>> & { path?: boolean; what: string },
): Option<Widen<D, string>, M> {
  const nullable = fallback === null;
  const read = (raw: Raw, written: string): string | null | undefined => {
    if (raw === null) return nullable ? null : undefined;
    return written === '' || typeof raw === 'boolean' ? undefined : written;
  };
  const parts = {
    isPath: more.path ?? false,
    allowed: () => orNone(more.what, nullable),
    read: read as Option<Widen<D, string>>['read'],
  };
  return build(fallback as Widen<D, string>, modes, help, parts, more);
}

/** One word of a list; upper and lower case are the same. */
export function choice<T extends string, M extends Mode>(
  fallback: NoInfer<T>,
  modes: readonly M[],
  help: string,
  more: More<NoInfer<T>> & { of: readonly T[] },
): Option<T, M> {
  return build(
    fallback,
    modes,
    help,
    wordParts(() => more.of),
    more,
  );
}

type WordsByMode = Partial<Record<Mode, readonly string[]>>;

/** One word of a list that depends on the mode. */
export interface ChoiceByMode<W extends WordsByMode> extends Option<string, keyof W & Mode> {
  byMode: W;
}

/** @param of for each mode that honours the key its words; the first one is its default */
export function choiceByMode<const W extends WordsByMode>(
  of: W,
  help: string,
  more: Pick<More<string>, 'advice'> = {},
): ChoiceByMode<W> {
  const modes = Object.keys(of) as (keyof W & Mode)[];
  const wordsOf = (mode: Mode): readonly string[] => of[mode] ?? [];
  const [first, ...others] = modes;
  const by = Object.fromEntries(others.map((mode) => [mode, wordsOf(mode)[0]]));
  return { ...build(wordsOf(first)[0], modes, help, wordParts(wordsOf), { ...more, by }), byMode: of };
}

function wordParts<T extends string>(words: (mode: Mode) => readonly T[]): Parts<T> {
  return {
    words,
    allowed: (mode) => `one of ${words(mode).join(', ')}`,
    offers: (mode) => [...words(mode)],
    read: (_, written, mode) => words(mode).find((w) => w.toLowerCase() === written.toLowerCase()),
  };
}

/** Any other type: that of the row's own reader. */
export function custom<T, M extends Mode>(
  fallback: NoInfer<T>,
  modes: readonly M[],
  help: string,
  more: More<NoInfer<T>> & {
    what: string;
    read: (raw: Raw, text: string, mode: Mode) => T | undefined;
    offer?: string[];
    flag?: boolean;
    path?: boolean;
  },
): Option<T, M> {
  const { what, read, offer = [], flag: isFlag = false, path: isPath = false } = more;
  return build<T, M>(fallback, modes, help, { read, isFlag, isPath, allowed: () => what, offers: () => offer }, more);
}
