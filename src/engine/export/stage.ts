/**
 * Where an export is written and verified before it takes its place: a hidden folder beside it. An export that fails, is
 * interrupted or does not agree with the original leaves what was there before.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { UserError } from '../../core/errors.js';
import { orCannotWrite } from '../../io/files.js';
import { type TemporaryFolder, temporaryFolderBeside } from '../../io/temporary-folder.js';

/** The hidden folder of one export. */
export class Stage {
  private readonly temporary: TemporaryFolder;

  /** @param target the file or folder that the export shall be @throws UserError 'cannot-write' */
  constructor(private readonly target: string) {
    this.temporary = temporaryFolderBeside(target);
  }

  /** Holds nothing but the export. */
  get folder(): string {
    return this.temporary.path;
  }

  /** Calls `work`; an error that names a place in here names the place it stands for. */
  async within<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof UserError) error.message = error.message.replaceAll(this.folder, dirname(this.target));
      throw error;
    }
  }

  /**
   * Puts the export in its place. In a folder that is there already files of the same names are replaced, others stay.
   * @param files all of them, in here; the target itself first
   * @param replaced names that an earlier export may have left in the target
   * @returns their final paths
   */
  publish(files: readonly string[], replaced?: RegExp): string[] {
    const [whole] = files;
    const place = (file: string) => join(dirname(this.target), relative(this.folder, file));
    orCannotWrite(this.target, () => {
      const isFolder = statSync(whole).isDirectory();
      const there = statSync(this.target, { throwIfNoEntry: false });
      if (there && there.isDirectory() !== isFolder) throw this.occupied(there.isDirectory() ? 'folder' : 'file');
      if (!there || !isFolder) return renameSync(whole, this.target);
      const names = new Set(files.map((file) => basename(file)));
      for (const name of readdirSync(this.target))
        if (replaced?.test(name) && !names.has(name)) rmSync(join(this.target, name));
      for (const file of files.slice(1)) {
        mkdirSync(dirname(place(file)), { recursive: true });
        renameSync(file, place(file));
      }
    });
    return files.map(place);
  }

  private occupied(kind: string): UserError {
    return new UserError('cannot-write', `cannot write ${this.target}: a ${kind} has that name`, 'move it away', 1);
  }

  /** Removes what was not published. */
  dispose(): void {
    this.temporary.remove();
  }
}
