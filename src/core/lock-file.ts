/** One process at a time: a lock file whose owner, when it is gone, is no obstacle. The set-up uses the same. */
export { tryLockFile, withLockFile } from '../../bin/setup/lock.mjs';
