/** Types of lock.mjs. */
export interface LockHooks {
  /** Called once when another process holds the lock. */
  onWait?: () => void;
  /** Called by the owner, before the work and after it, or at an early end of the process. */
  clean?: () => void;
}
export function withLock<T>(folder: string, work: () => T | Promise<T>, onWait?: () => void): Promise<T>;
export function withLockFile<T>(file: string, work: () => T | Promise<T>, hooks?: LockHooks): Promise<T>;
export function temporaryFolder(folder: string): string;
