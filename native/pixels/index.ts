// Image kernels for WebAssembly SIMD, in AssemblyScript (https://www.assemblyscript.org). The build compiles them to
// dist/pixels.wasm; src/image/pixels.ts calls them. Pointers are addresses in the module's memory, whose layout the caller
// decides.
export { flipRow } from './flip';
export { hsv } from './hsv';
export { medianRow } from './median';
export { blendRows, resampleRow } from './warp';
