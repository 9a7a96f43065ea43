// Checks the import directions of src and bin with dependency-cruiser, and that it has read all modules: with an
// unsupported version of the compiler it finds none and reports success.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

const FOLDERS = ['src', 'bin'];
const names = FOLDERS.flatMap((folder) => readdirSync(folder, { recursive: true }));
const files = names.filter((name) => /\.(ts|m?js)$/.test(name)).length;
let out;
try {
  out = execFileSync(
    process.execPath,
    [
      'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
      ...FOLDERS,
      '--config',
      '.dependency-cruiser.cjs',
      '--output-type',
      'json',
    ],
    { encoding: 'utf8', maxBuffer: 1 << 28 },
  );
} catch (e) {
  out = e.stdout;
  if (!out) throw e;
}
const { summary, modules } = JSON.parse(out);
const seen = modules.filter((m) => FOLDERS.includes(m.source.split('/')[0]) && !m.source.endsWith('.d.mts')).length;
for (const v of summary.violations)
  console.error(
    `${v.rule.name}: ${v.from} → ${v.to}${v.cycle ? ` (cycle: ${v.cycle.map((c) => c.name).join(' → ')})` : ''}`,
  );
if (seen < files) console.error(`dependency-cruiser read ${seen} of ${files} modules: its result is not valid`);
if (summary.violations.length || seen < files) process.exit(1);
console.log(`import directions: ${seen} modules, no violation`);
