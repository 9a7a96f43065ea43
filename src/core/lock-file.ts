/** Lock files for mutual exclusion between processes; the lock of a process that no longer exists is ignored. */
export { tryLockFile, withLockFile } from '../../bin/setup/lock.mjs';
