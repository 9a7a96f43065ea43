// Products of bfloat16 matrices by the AMX tiles of x86 processors: packing of the operands, and accumulation over K in float32.
// A tile has 16 rows of 64 bytes: 16 x 32 elements of A, 16 pairs of rows x 16 columns of B, or 16 x 16 sums.
#pragma once
#include "loops.h"

namespace fused {

constexpr long TILE = 16;   // rows of A, columns of B
constexpr long DEPTH = 32;  // elements of K in one product
constexpr long SUMS = TILE * TILE;

// Whether the processor has AMX with bfloat16 and the kernel permits it to this process.
bool hasTiles();

// Packs rows of A, transposed: `at` has the addresses of `depth` rows of 16 · blocks or fewer elements, of which `channels`
// are read. Element (channel c, row q) goes to out[c · stride + q]. depth is a multiple of 32; rows of out are 64-byte aligned.
void packTransposed(const Bfloat16* const* at, long depth, long channels, Bfloat16* out, long stride);

// Packs rows of B: elements of rows 2q and 2q + 1 next to each other, in blocks of 16 columns. Block b starts at
// out[b · 16 · depth].
void packPairs(const Bfloat16* const* at, long depth, long channels, Bfloat16* out);

// Adds A · B to sums: a[i] is the first element of a block of 16 rows (each `stride` elements apart, of any alignment), b a
// packed block of B, block j `step` elements after the first. sums: tile (i, j) at sums + (i · pitch + j) · SUMS.
void multiplyTiles(const Bfloat16* const* a, long countA, long stride, const Bfloat16* b, long countB, long step, long depth,
                   float* sums, long pitch);

// Tiles belong to a thread: to be created before its products.
class TileScope {
 public:
  TileScope();
  ~TileScope();
};

}  // namespace fused
