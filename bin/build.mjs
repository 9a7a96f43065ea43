// `npm run build`: compiles src to dist where it changed, and removes what has no source any more.
import { buildSources } from './setup/project.mjs';

try {
  await buildSources();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
