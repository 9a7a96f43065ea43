/** A thread that looks at images and label files for scan.ts. */
import { type Chunk, scanChunk } from './scan.js';

export default (chunk: Chunk) => scanChunk(chunk);
