// `npm run build`: compiles src to dist if a source has changed, and removes outputs without a source.
import { buildSources } from './setup/project.mjs';

try {
  await buildSources();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
