// Checks the import directions of src with dependency-cruiser, and that it really saw the modules:
// a compiler version it does not understand makes it find none and report success.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

const files = readdirSync('src', { recursive: true }).filter((f) => f.endsWith('.ts')).length;
let out;
try {
  out = execFileSync(
    process.execPath,
    [
      'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
      'src',
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
const seen = modules.filter((m) => m.source.startsWith('src/')).length;
for (const v of summary.violations)
  console.error(
    `${v.rule.name}: ${v.from} → ${v.to}${v.cycle ? ` (cycle: ${v.cycle.map((c) => c.name).join(' → ')})` : ''}`,
  );
if (seen < files)
  console.error(`dependency-cruiser saw ${seen} of ${files} modules of src: its verdict cannot be trusted`);
if (summary.violations.length || seen < files) process.exit(1);
console.log(`import directions: ${seen} modules, no violation`);
