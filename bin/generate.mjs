// `npm run generate`: writes cfg/default.yaml from the option table (src/cfg/schema.ts). A test compares the two.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './setup/paths.mjs';
import { buildSources } from './setup/project.mjs';

await buildSources();
const { defaultYaml } = await import('../dist/cfg/default-yaml.js');
writeFileSync(join(root, 'cfg/default.yaml'), defaultYaml());
