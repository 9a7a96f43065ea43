/**
 * Joins compiled modules of this project into one file, for places without a bundler: what the entry exports stays
 * exported, imports between the modules go, and each module comes after those that it imports. Works on what the
 * TypeScript compiler writes, .js and .d.ts alike; anything that it does not expect is an error.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const IMPORT = /^import (?:type )?(?:[\s\S]*? from )?'([^']+)';$/gm;
const REEXPORT = /^(export (?:type )?\{[^}]*\}) from '[^']+';$/gm;
const DECLARATION =
  /^(?:export )?(?:declare )?(?:async )?(?:abstract )?(?:function\*?|const|let|class|interface|type|enum) (\w+)/gm;

/** @param entry path of a .js or .d.ts file @throws Error for imports of packages and for two things of one name */
export function joinModules(entry: string): string {
  const texts = new Map<string, string>();
  visit(resolve(entry), texts);
  const owners = new Map<string, string>();
  for (const [path, text] of texts)
    for (const [, name] of text.matchAll(DECLARATION)) {
      const other = owners.get(name);
      if (other !== undefined && other !== path) throw new Error(`${path} and ${other} both have a '${name}'`);
      owners.set(name, path);
    }
  return [...texts].map(([path, text]) => (path === resolve(entry) ? text : unexported(text))).join('\n');
}

/** Depth first: adds a module after those that it imports. */
function visit(path: string, texts: Map<string, string>, open: readonly string[] = []): void {
  if (texts.has(path) || open.includes(path)) return;
  const source = readFileSync(path, 'utf8').replace(/^\/\/# sourceMappingURL=.*$/gm, '');
  for (const [, from] of [...source.matchAll(IMPORT), ...source.matchAll(/^export .* from '([^']+)';$/gm)]) {
    if (!from.startsWith('.')) throw new Error(`${path} imports the package ${from}`);
    const to = join(dirname(path), path.endsWith('.d.ts') ? from.replace(/\.js$/, '.d.ts') : from);
    visit(to, texts, [...open, path]);
  }
  const text = source.replace(IMPORT, '').replace(REEXPORT, '$1;');
  const left = /^.*\b(import|require) ?\(.*$|^import .*$/m.exec(text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''));
  if (left) throw new Error(`${path}: this import can't be joined: ${left[0].trim()}`);
  texts.set(path, text.trim().concat('\n'));
}

function unexported(text: string): string {
  return text.replace(/^export \{.*\};$/gm, '').replace(/^export (?=\w)/gm, '');
}
