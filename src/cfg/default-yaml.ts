/** Writes the option table as cfg/default.yaml: every key with its default and a comment. A test holds the file equal. */
import { MODES, type Mode } from './option.js';
import { defaultOf, differsByMode, KEYS, type Key, optionOf } from './schema.js';

const HEAD = `# Every key of the yolo command with its default. A changed copy ('yolo copy-cfg') is used with cfg=FILE;
# what is given on the command line goes over it. Keys that a mode has no use for are passed over.
# null where the comment names defaults by mode: the mode's own default.
`;

/** The whole file. */
export function defaultYaml(): string {
  let text = HEAD;
  let group = '';
  for (const key of KEYS) {
    const option = optionOf(key);
    if (option.group !== group) text += `\n# ${option.group}\n`;
    group = option.group;
    const value = differsByMode(key) ? 'null' : yamlValue(option.default);
    text += `${key}: ${value} # ${commentOf(key)}\n`;
  }
  return text;
}

/** What a key means, for which modes, and the defaults that differ. */
function commentOf(key: Key): string {
  const { help, modes } = optionOf(key);
  const own = MODES.filter((mode) => mode !== 'benchmark' && modes.includes(mode));
  const used = own.length === 0 ? 'benchmark' : own.length >= MODES.length - 1 ? 'all modes' : own.join(', ');
  return `${help} (${used}${differsByMode(key) ? `; default ${defaultsByMode(key, own)}` : ''})`;
}

function defaultsByMode(key: Key, modes: readonly Mode[]): string {
  return modes.map((mode) => `${mode} ${yamlValue(defaultOf(key, mode))}`).join(', ');
}

function yamlValue(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(yamlValue).join(', ')}]` : String(value);
}
