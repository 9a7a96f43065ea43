/** Copies the files of shards into one folder. */
import { constants, copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { checkSignals } from '../../core/interruption.js';
import { progress } from '../../core/progress.js';
import { filesUnder } from '../../data/listing.js';
import { orCannotWrite } from '../../io/files.js';

/** A file, and its path in the folder that it is copied to. */
export interface FileToCopy {
  from: string;
  to: string;
}

/** Files between two looks at signals. */
const AT_ONCE = 50;

/** All files of a folder and its subfolders, sorted. @param except names in the folder itself */
export function filesOf(dir: string, except: readonly string[]): FileToCopy[] {
  const paths = filesUnder(dir, (path) => !/^\..*\.part$/.test(basename(path))).sort();
  const files = paths.map((from) => ({ from, to: relative(dir, from) }));
  return files.filter(({ to }) => !except.includes(to));
}

/**
 * Of two files of one name the later one stays, as when one process writes them.
 * @throws UserError 'cannot-write'; Interrupted after `signal`
 */
export async function copyFiles(files: readonly FileToCopy[], dir: string, signal?: AbortSignal): Promise<void> {
  await progress.track({ label: 'Merging', unit: 'files', total: files.length }, async (update) => {
    for (const [i, { from, to }] of files.entries()) {
      if (i % AT_ONCE === 0) await checkSignals(signal);
      copyAtomic(from, join(dir, to));
      update(i + 1);
    }
  });
}

function copyAtomic(from: string, to: string): void {
  const temporary = join(dirname(to), `.${basename(to)}.${process.pid}-0-0.part`);
  orCannotWrite(to, () => {
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(from, temporary, constants.COPYFILE_FICLONE);
    renameSync(temporary, to);
  });
}
