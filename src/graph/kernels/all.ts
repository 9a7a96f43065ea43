/** Registers every symbolic kernel. */
import './create.js';
import './elementwise.js';
import './index-ops.js';
import './image.js';
import './matrix.js';
import './reduce.js';
import './shape.js';
