/** Worker thread of val-loader.ts: decodes images into the shared memory of a batch. */
import { setImageThreads } from '../image/codec.js';
import { fillShared } from './val-slot.js';

setImageThreads(1);
export default fillShared;
