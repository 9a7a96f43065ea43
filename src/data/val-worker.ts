/** A thread that decodes images for validation and fits them into their slot of a shared batch. */
import { setImageThreads } from '../image/codec.js';
import { fillShared } from './val-slot.js';

setImageThreads(1);
export default fillShared;
