import { buildSources } from '../../bin/setup/project.mjs';

/** Before any test: dist is what src says now. Tests through the command run dist. */
export default async function freshBuild(): Promise<void> {
  await buildSources();
}
