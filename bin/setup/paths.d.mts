/** Types of paths.mjs. */
export interface WheelPin {
  package: string;
  file: string;
  bytes: number;
  /** Room that unpacking it takes for a while. */
  diskBytes: number;
  sha256: string;
  /** Libraries in the wheel, each after its dependencies. */
  libraries: string[];
  /** Windows: name of the Python library that they import. */
  python?: string;
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
export function tensorflowLibraries(engine?: string): string[];
export function prebuiltDir(platform?: string): string | undefined;
export function sourcesDigest(): string;
export function engineDir(): string;
export function engineReady(): boolean;
export function failureFile(): string;
export function lastFailure(): Failure | undefined;
