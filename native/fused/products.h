// Products of matrices in float32, in steps whose sums stay in registers.
#pragma once
#include "loops.h"

namespace fused {

// The columns of the result of a product of matrices are divided into panels of `vectors` · LANES columns; a step of the product
// computes `rows` rows of a panel.
struct Panels {
  long count, vectors, rows;
  long width() const { return vectors * LANES; }
  long columns() const { return count * width(); }
};

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

}  // namespace fused
