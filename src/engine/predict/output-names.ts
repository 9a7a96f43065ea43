/** Names of the files of a prediction: the name of the source without its extension; of several equal ones x, x-2, x-3 … */
import { basename, extname } from 'node:path';
import { fileIdentity } from '../../core/written-path.js';

const MAX_NAME_BYTES = 150;

/**
 * Names by source. In a list they depend on the list alone, not on which of its sources can be read, or are read by this
 * process.
 */
export class OutputNames {
  /** Names in use, as `fileIdentity` has them, and the number of the last one that was derived from each: x-3 → 3. */
  private readonly used = new Map<string, number>();
  private readonly stems: string[] = [];
  private current = { source: -1, stem: '' };

  /** @param listed path or name of each source; undefined where the sources arrive one after the other */
  constructor(
    private readonly listed?: readonly { path: string }[],
    private readonly platform: string = process.platform,
  ) {}

  /** @param source index of the source */
  stemOf(source: number, path: string): string {
    if (this.listed) {
      this.nameUntil(source + 1);
      return this.stems[source];
    }
    if (source !== this.current.source) this.current = { source, stem: this.free(path) };
    return this.current.stem;
  }

  /** `x_7`, for the frame of a video that is called x; if an image has that name `x_7_`. */
  ofFrame(stem: string, frame: number): string {
    let name = `${stem}_${frame}`;
    while (this.isStem(name)) name += '_';
    return name;
  }

  /** The number of a further file of one name: above `n`, and such that `x-3` is not the name of another source. */
  nextNumber(name: string, n: number): number {
    let next = n + 1;
    while (this.isStem(`${name}-${next}`)) next++;
    return next;
  }

  private isStem(name: string): boolean {
    this.nameUntil(this.listed?.length ?? 0);
    return this.used.has(this.identity(name));
  }

  /** Names the first `count` sources of the list. */
  private nameUntil(count: number): void {
    const { listed = [], stems } = this;
    while (stems.length < count) stems.push(this.free(listed[stems.length].path));
  }

  private free(path: string): string {
    const name = basename(path.replace(/[?#].*$/, '')) || 'image';
    const stem = safeName(name.slice(0, name.length - extname(name).length) || name);
    const own = this.identity(stem);
    let n = this.used.get(own);
    if (n === undefined) {
      this.used.set(own, 1);
      return stem;
    }
    do n++;
    while (this.used.has(`${own}-${n}`));
    this.used.set(own, n);
    this.used.set(`${own}-${n}`, 1);
    return `${stem}-${n}`;
  }

  private identity(name: string): string {
    return fileIdentity(name, this.platform);
  }
}

/** Names that Windows reserves for devices, with any ending. */
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i;

/** A name that is one file name on every system: class names and URLs may hold anything. */
export function safeName(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not get into a file name
  const printable = name.replace(/[\\/:*?"<>|\u0000-\u001f]/g, '_');
  const safe = printable.replace(/[. ]+$/, '_').replace(RESERVED, '$&_');
  // Systems take 255 bytes; there has to be room for an ending, and no half character.
  return (
    Buffer.from(safe)
      .subarray(0, MAX_NAME_BYTES)
      .toString()
      .replace(/\ufffd+$/, '') || '_'
  );
}
