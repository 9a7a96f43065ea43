// The inner loops of the kernels (loops.inc), for the best instruction set of the processor.
#pragma once

namespace fused {

constexpr long LANES = 16;  // floats of a cache line, and of the longest vectors

struct Bfloat16 {
  unsigned short bits;
};

// Rows of a gradient: element (row, channel) is base[row · stride + channel].
template <class E>
struct Addend {
  const E* base;
  long stride;
  const E* at(long row, long channel) const { return base + row * stride + channel; }
};

constexpr int MAX_ADDENDS = 8;

// Channels [from, to) whose gradient is the sum of the same addends.
template <class E>
struct Span {
  long from, to;
  int count;
  Addend<E> addends[MAX_ADDENDS];
};

// E is the element type of the activations: float or Bfloat16.
template <class E>
struct Loops {
  void (*moments)(const E* x, long rows, long channels, float* mean, float* squares);
  void (*normalizeSilu)(const E* x, long rows, long channels, const float* mean, const float* scale, const float* beta,
                        E* y, E* z, long tail);
  void (*gradientOfNorm)(const E* x, long row, long rows, long channels, const Span<E>* spans, int count,
                         const float* mean, const float* scale, const float* beta, E* g, float* sums,
                         float* products);
  void (*gradientOfInput)(const E* x, long rows, long channels, const float* mean, const float* scale,
                          const float* meanG, const float* slope, E* g);
};

template <class E>
const Loops<E>& loops();

}  // namespace fused
