// The inner loops of the kernels (loops.inc), in the fastest form that this processor has.
#pragma once

namespace fused {

// Rows of a gradient: element (row, channel) lies at base[row · stride + channel].
struct Addend {
  const float* base;
  long stride;
  const float* at(long row, long channel) const { return base + row * stride + channel; }
};

constexpr int MOST_ADDENDS = 8;

// Channels [from, to) whose gradient is the sum of the same addends.
struct Span {
  long from, to;
  int count;
  Addend addends[MOST_ADDENDS];
};

struct Loops {
  void (*moments)(const float* x, long rows, long channels, float* mean, float* squares);
  void (*normalizeSilu)(const float* x, long rows, long channels, const float* mean, const float* scale, const float* beta,
                        float* y, float* z, long tail);
  void (*gradientOfNorm)(const float* x, long row, long rows, long channels, const Span* spans, int count,
                         const float* mean, const float* scale, const float* beta, float* g, float* sums,
                         float* products);
  void (*gradientOfInput)(const float* x, long rows, long channels, const float* mean, const float* scale,
                          const float* meanG, const float* slope, float* g);
};

const Loops& loops();

}  // namespace fused
