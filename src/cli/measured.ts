/** Process of one measure of `yolo benchmark what=all`: runs a command and sends the parent what it took. */
import type { Took } from '../engine/benchmark-all.js';
import { main } from './main.js';

process.once('disconnect', () => process.exit(1)); // the parent has ended
const code = await main();
const took: Took = { seconds: performance.now() / 1000, memory: process.resourceUsage().maxRSS / 1024 };
process.send!(took, () => process.exit(code));
