// Products of matrices in float32, in steps whose sums stay in registers.
#pragma once
#include <algorithm>
#include <cstring>
#include <utility>

#include "loops.h"
#include "scratch.h"

namespace fused {

// The columns of the result of a product of matrices are divided into panels of `vectors` · LANES columns; a step of the product
// computes `rows` rows of a panel.
struct Panels {
  long count, vectors, rows;
  long width() const { return vectors * LANES; }
  long columns() const { return count * width(); }
};

struct ProductLoops {
  Panels (*panels)(long columns);
  // M = A U of `rows` rows; reads and writes up to a multiple of a step's rows. a [rows][rowA], u [panels][depth][width of a panel],
  // m [rows][rowM]
  void (*product)(const Panels& panels, const float* a, long rowA, const float* u, long depth, long rows, float* m, long rowM);
  // y = M + bias, then SiLU. m [rows][rowM], bias: nullptr for none, y [rows][columns]
  void (*activate)(const float* m, long rowM, long rows, long columns, const float* bias, bool silu, float* y);
};

const ProductLoops& productLoops();

// Whether ProductConv is faster than TensorFlow's convolutions on this processor: oneDNN's with bias and SiLU need AVX-512.
bool needsProductConv();

// Products for the gradient of a filter, of one panel of filters: for each point M [points][channels][width] is Vᵀ U of
// V [points][tiles][rowV] and U [points][tiles][width]. Elements between tiles, and between points.
struct GradProduct {
  long points, channels;
  Panels panels;
  long rowV, stepV, stepU, stepM;
};

struct GradLoops {
  // `rows` are channels here, and a divisor of LANES.
  Panels (*panels)(long filters);
  // M = Vᵀ U, or with `more` M += Vᵀ U; reads and writes up to a multiple of a step's channels.
  void (*sums)(const GradProduct& p, const float* v, const float* u, long tiles, bool more, float* m);
};

const GradLoops& gradLoops();

// How the gradient of a filter is divided: into panels of filters and groups of tiles, which are tasks, and those into blocks.
// Depends on nothing but the shapes; the sums of the groups are added in a fixed order.
struct GradDivision {
  long tiles, groups, block;
  GradProduct product;

  // points: those of U are the same with `shared`
  GradDivision(long points, bool shared, long tiles, long channels, long filters);
  long tasks() const { return product.panels.count * groups; }
  long panel(long task) const { return task / groups; }
  long begin(long task) const { return tiles * (task % groups) / groups; }
  long end(long task) const { return tiles * (task % groups + 1) / groups; }
  // Floats of the operands of a task, and of its sums.
  long sizeV() const { return product.points * product.stepV; }
  long sizeU() const { return product.stepU == 0 ? block * product.panels.width() : product.points * product.stepU; }
  long sizeM() const { return product.points * product.stepM; }
};

// A task of the division. operands(panel, first, count, v, u) → {V, U} of the tiles [first, first + count), which may be in the
// memory v and u. m: its sums
template <class Operands>
void multiply(const GradDivision& d, int task, const Operands& operands, float* m) {
  static thread_local Scratch<float> kept;
  float* v = kept.get(d.sizeV() + d.sizeU());
  for (long first = d.begin(task); first < d.end(task); first += d.block) {
    const long count = std::min(d.block, d.end(task) - first);
    const std::pair<const float*, const float*> of = operands(d.panel(task), first, count, v, v + d.sizeV());
    gradLoops().sums(d.product, of.first, of.second, count, first > d.begin(task), m);
  }
}

// Copies n floats, and zeros up to `size`; `from` is nullptr for zeros.
inline void copyPadded(const float* from, long n, long size, float* to) {
  if (from == nullptr) n = 0;
  long i = 0;
  for (; i + LANES <= n; i += LANES) std::memcpy(to + i, from + i, LANES * sizeof(float));
  for (; i < n; i++) to[i] = from[i];
  std::fill(to + std::max(n, 0L), to + size, 0.0f);
}

// Whether products are too little work to be divided among threads.
inline bool isSmall(long points, long tiles, long channels, long filters) {
  constexpr double MULTIPLICATIONS = 1 << 20;  // a `long` of 32 bits is too short for their number
  return static_cast<double>(points) * tiles * channels * filters < MULTIPLICATIONS;
}

}  // namespace fused
