/** Worker thread of scan.ts. */
import { type Chunk, scanChunk } from './scan.js';

export default (chunk: Chunk) => scanChunk(chunk);
