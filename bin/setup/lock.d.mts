/** Types of lock.mjs. */
export interface LockHooks {
  /** Called once when another process holds the lock. */
  onWait?: () => void;
  /** Called by the owner, before the work and after it, or at an early end of the process. */
  clean?: () => void;
  /** Ends the wait with its reason. */
  signal?: AbortSignal;
}
/** Whose lock it is, as far as the file tells. */
export interface LockOwner {
  pid?: number;
  host?: string;
}
export function withLock<T>(folder: string, work: () => T | Promise<T>, onWait?: () => void): Promise<T>;
export function withLockFile<T>(file: string, work: () => T | Promise<T>, hooks?: LockHooks): Promise<T>;
export function tryLockFile(
  file: string,
  options?: { silentMs?: number },
): { release: () => void; owner?: undefined } | { owner: LockOwner; release?: undefined };
export function temporaryFolder(folder: string): string;
