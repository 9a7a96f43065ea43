/** zones.csv: the counts of zones, a row for each frame and zone. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { orCannotWrite } from '../../io/files.js';
import type { PredictObserver } from '../predict/observer.js';
import type { TrackResult } from './sequences.js';

const COLUMNS = ['path', 'frame', 'zone', 'type', 'inside', 'in', 'out'];

/** Writes the file into the run folder, if the run has one. */
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

/** Quoted where it has to be (RFC 4180). */
function row(cells: readonly (string | number)[]): string {
  const quoted = cells.map(String).map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell));
  return `${quoted.join(',')}\n`;
}
