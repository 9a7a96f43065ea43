/**
 * Completion for bash, zsh and fish. The scripts ask the command itself (`yolo --complete WORDS…`), which answers from the
 * option table; `:files` tells the shell to complete file names. Those of yargs cannot complete `key=value`: bash splits words
 * at the `=`, and they add a space after `key=`.
 */
import { MODES, type Mode } from '../cfg/option.js';
import { keysOf, optionOf } from '../cfg/schema.js';
import { UserError } from '../core/errors.js';
import { isFlag, isKey, nameOf } from './argv.js';
import { COMMANDS } from './words.js';

const BASH = `# yolo completion for bash: yolo completion bash >> ~/.bashrc
_yolo_complete() {
  local line="\${COMP_LINE:0:COMP_POINT}" words cur prefix
  read -ra words <<< "$line"
  [[ "$line" == *" " ]] && words+=("")
  cur="\${words[\${#words[@]}-1]}"
  mapfile -t COMPREPLY < <(yolo --complete "\${words[@]:1}" 2>/dev/null)
  if [[ "\${COMPREPLY[0]}" == ":files" ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "\${cur#*=}")
    compopt -o filenames
  elif [[ "$cur" == *=* && "$COMP_WORDBREAKS" == *=* ]]; then
    prefix="\${cur%%=*}="
    COMPREPLY=("\${COMPREPLY[@]#"$prefix"}")
  fi
  [[ "\${COMPREPLY[0]}" == *= ]] && compopt -o nospace
  return 0
}
complete -F _yolo_complete yolo
`;

const ZSH = `#compdef yolo
# yolo completion for zsh: yolo completion zsh > a file _yolo in a folder of $fpath
_yolo() {
  local -a found keys
  found=("\${(@f)$(yolo --complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "\${found[1]}" == ":files" ]]; then
    compset -P '*='
    _files
    return
  fi
  keys=("\${(@M)found:#*=}")
  found=("\${(@)found:#*=}")
  (( \${#keys} )) && compadd -S '' -- "\${keys[@]}"
  (( \${#found} )) && compadd -- "\${found[@]}"
}
if [ "$funcstack[1]" = "_yolo" ]; then _yolo "$@"; else compdef _yolo yolo; fi
`;

const FISH = `# yolo completion for fish: yolo completion fish > ~/.config/fish/completions/yolo.fish
function __yolo_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found (yolo --complete $words[2..-1] 2>/dev/null)
  if test "$found[1]" = ":files"
    set -l parts (string split -m1 = -- (commandline -ct))
    if test (count $parts) -gt 1
      string replace -r '^' "$parts[1]=" (__fish_complete_path $parts[2])
    else
      __fish_complete_path $parts[1]
    end
  else
    string join \\n -- $found
  end
end
complete -c yolo -f -a '(__yolo_complete)'
`;

const SCRIPTS: Record<string, string> = { bash: BASH, zsh: ZSH, fish: FISH };

/**
 * The script of a shell.
 * @param shell its name; when absent the one that $SHELL says
 * @throws UserError another shell
 */
export function completionScript(shell: string | undefined): string {
  const name = shell ?? (process.env.SHELL ?? 'bash').split('/').at(-1) ?? '';
  if (Object.hasOwn(SCRIPTS, name)) return SCRIPTS[name];
  throw new UserError('unknown-shell', `there is no completion for '${name}'`, 'yolo completion bash, zsh or fish');
}

/**
 * Candidates for the last word; [':files'] for file names.
 * @param words what follows `yolo`; the last one may be unfinished or empty
 */
export function complete(words: readonly string[]): string[] {
  const current = words.at(-1) ?? '';
  const before = words.slice(0, -1);
  const starting = (list: readonly string[]): string[] => list.filter((item) => item.startsWith(current));
  if (before[0] === 'completion') return starting(Object.keys(SCRIPTS));
  const mode = MODES.find((m) => before.includes(m));
  if (before.includes('help')) return starting(MODES);
  if (mode === undefined) return starting([...MODES, ...(before.length === 0 ? Object.keys(COMMANDS) : [])]);
  const dashes = current.startsWith('-') ? '--' : '';
  const named = /^--[\w-]+$/.test(before.at(-1) ?? '') ? nameOf(before.at(-1)!) : undefined;
  if (named !== undefined && !isFlag(named) && !dashes) return valuesOf(named, mode, '', current);
  if (current.includes('=')) {
    const [head, value] = [current.slice(0, current.indexOf('=') + 1), current.slice(current.indexOf('=') + 1)];
    return valuesOf(nameOf(head), mode, head, value);
  }
  const given = new Set(before.map(nameOf));
  // Completes --save-t to --save-txt, but --save_t to --save_txt.
  const spelled = (key: string): string => (dashes && /^--.*-/.test(current) ? key.replaceAll('_', '-') : key);
  const keys = [...keysOf(mode).filter((key) => !given.has(key)), 'cfg'].map((key) => `${dashes}${spelled(key)}=`);
  return (mode === 'report' || mode === 'merge') && starting(keys).length === 0 ? [':files'] : starting(keys);
}

/** @param head what stands before the value in the same word */
function valuesOf(name: string, mode: Mode, head: string, start: string): string[] {
  if (name === 'cfg') return [':files'];
  if (!isKey(name)) return [];
  const option = optionOf(name);
  const offers = option.offers(mode).filter((value) => value.startsWith(start));
  if (option.offers(mode).length > 0) return offers.map((value) => head + value);
  return option.isPath ? [':files'] : [];
}
