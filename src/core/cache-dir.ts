/** The per-user cache folder: engine, weights, generated datasets, decoded images. The variable YOLO_CACHE overrides it. */
export { cacheDir } from '../../bin/setup/paths.mjs';
