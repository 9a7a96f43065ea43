/** `yolo export`: the files that were written, one per line on standard output; one object with json=true. */
import type { ExportConfig } from '../../cfg/schema.js';
import { showBanner } from '../banner.js';
import { print, printJson } from '../terminal.js';

export async function run(config: ExportConfig): Promise<number> {
  showBanner();
  const { exportModel } = await import('../../engine/export/exporter.js');
  const result = await exportModel(config);
  if (config.json) printJson(result);
  else for (const file of result.files) print(file);
  return 0;
}
