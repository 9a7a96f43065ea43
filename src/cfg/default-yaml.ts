/** The option table as cfg/default.yaml: every key with its default and a comment. `npm run generate` writes the file. */
import { MODES, type Mode } from './option.js';
import { defaultOf, differsByMode, KEYS, type Key, optionOf } from './schema.js';

const HEAD = `# Every key of the yolo command with its default, for use with cfg=FILE; 'yolo copy-cfg' writes a copy to edit. Keys given on
# the command line take precedence; keys that a mode does not use are ignored. 'yolo help KEY' lists the values of a key.
# null, where the comment gives defaults by mode, means the default of the mode.
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
