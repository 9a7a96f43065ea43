/** The per-user cache of this tool (engine, weights, made datasets, decoded pictures); YOLO_CACHE moves it. */
export { cacheDir } from '../../bin/setup/paths.mjs';
