/** The per-user cache of this tool (engine, made datasets, decoded pictures); YOLO_CACHE moves it. */
import { homedir } from 'node:os';
import { join } from 'node:path';

export function cacheDir(): string {
  return process.env.YOLO_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'yolov8-tfjs');
}
