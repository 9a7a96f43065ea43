/** Types of check-addon.mjs. */
export function checkAddon(platform: string, file: string): void;
export function describeBinary(bytes: Buffer): {
  platform: string;
  libraries: string[];
  versions?: number[][];
  signed?: boolean;
};
