/** zones.csv: counts of zones, one row per frame and zone. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { orCannotWrite } from '../../io/files.js';
import type { PredictObserver } from '../predict/observer.js';
import type { TrackResult } from './sequences.js';

const COLUMNS = ['path', 'frame', 'zone', 'type', 'inside', 'in', 'out'];

/** Writes zones.csv to the run folder, if there is one. */
export class ZonesCsv implements PredictObserver {
  private file: string | undefined;

  onStart({ saveDir }: { saveDir?: string }): void {
    if (saveDir === undefined) return;
    const file = join(saveDir, 'zones.csv');
    orCannotWrite(file, () => writeFileSync(file, row(COLUMNS)));
    this.file = file;
  }

  onResult({ path, frame, zones = [] }: TrackResult): void {
    const { file } = this;
    if (file === undefined) return;
    const rows = zones.map((zone) => {
      const counts = zone.type === 'polygon' ? [zone.inside, '', ''] : ['', zone.in, zone.out];
      return row([path, frame ?? '', zone.name, zone.type, ...counts]);
    });
    orCannotWrite(file, () => appendFileSync(file, rows.join('')));
  }
}

/** A row, with quotes where RFC 4180 requires them. */
function row(cells: readonly (string | number)[]): string {
  const quoted = cells.map(String).map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell));
  return `${quoted.join(',')}\n`;
}
