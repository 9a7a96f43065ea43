/** Types of driver.mjs. */
export function findDriver(): { version?: string } | undefined;
export function isOlder(version: string, than: string): boolean;
