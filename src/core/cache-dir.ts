/** The per-user cache of this tool (engine, weights, made datasets, decoded images); YOLO_CACHE moves it. */
export { cacheDir } from '../../bin/setup/paths.mjs';
