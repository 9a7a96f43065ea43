/** Types of paths.mjs. */
export interface WheelPin {
  package: string;
  file: string;
  platform: string;
  bytes: number;
  /** Room that unpacking it takes for a while. */
  diskBytes: number;
  sha256: string;
}
export interface Failure {
  /** Why the set-up gave no native engine. */
  why: string;
  /** What would mend it. */
  faster: string;
  /** Milliseconds since 1970. */
  at: number;
}
export const root: string;
export const pins: {
  tensorflow: string;
  tfjs: string;
  wheels: Record<string, WheelPin | undefined>;
  npm: Record<string, { version: string; integrity: string }>;
};
export const isClone: boolean;
export const setupCommand: string;
export function wheelPin(): WheelPin | undefined;
export function cacheDir(): string;
export function addonSources(name: 'session' | 'fused' | 'cuda'): string[];
export function tensorflowDir(): string;
export function tensorflowLibraries(): string[];
export function engineDir(): string;
export function engineReady(): boolean;
export function failureFile(): string;
export function lastFailure(): Failure | undefined;
