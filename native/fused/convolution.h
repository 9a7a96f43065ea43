// Geometry of a convolution with an odd kernel and padding k / 2 on both sides.
#pragma once
#include "op.h"
#include "scratch.h"

namespace fused {

// An axis of the convolution, height or width.
struct Axis {
  long in, out, kernel, stride;
  long pad() const { return kernel / 2; }
  // Zeros between rows or images, at least as many as the filter reaches to either side.
  long gap() const { return ceilDiv(pad(), stride); }
  long pitch() const { return out + gap(); }
  // Input index of output index i for a tap: stride · (i + shift) + phase.
  long shift(long tap) const { return (tap - pad() - phase(tap)) / stride; }
  long phase(long tap) const { return (tap - pad() + stride * kernel) % stride; }
};

// Positions of the output are numbered through rows, images and the gaps between them.
struct Convolution {
  long batch, channels, filters;
  Axis h, w;

  long positions() const { return batch * h.pitch() * w.pitch(); }
  long taps() const { return h.kernel * w.kernel; }
  long shift(long tap) const { return h.shift(tap / w.kernel) * w.pitch() + w.shift(tap % w.kernel); }
  // Index among the phases that some tap uses; those of an axis are 0 … phases − 1.
  long phase(long tap) const { return h.phase(tap / w.kernel) * phases(w) + w.phase(tap % w.kernel); }
  static long phases(const Axis& axis) { return std::min(axis.kernel, axis.stride); }
  long phases() const { return phases(h) * phases(w); }
};

// The attributes of an op: sizes of the kernel, and strides of 1 or 2.
class Window {
 public:
  explicit Window(TF_OpKernelConstruction* node)
      : kernel_(intsAttribute(node, "kernel")), strides_(intsAttribute(node, "strides")) {}

  // The convolution with these shapes of input and output.
  Convolution over(const std::vector<int64_t>& x, const std::vector<int64_t>& y) const {
    require(kernel_.size() == 2 && strides_.size() == 2, "kernel and strides need two elements");
    require(x.size() == 4 && y.size() == 4 && x[0] == y[0], "input and output need four dimensions and the same batch");
    const auto axis = [&](int i) { return Axis{long(x[i]), long(y[i]), long(kernel_[i - 1]), long(strides_[i - 1])}; };
    const Convolution c{long(x[0]), long(x[3]), long(y[3]), axis(1), axis(2)};
    for (const Axis& a : {c.h, c.w}) {
      require(a.kernel % 2 == 1 && (a.stride == 1 || a.stride == 2), "kernel must be odd, strides 1 or 2");
      require(a.in > 0 && a.out == (a.in - 1) / a.stride + 1, "the output has another size than the convolution of the input");
    }
    return c;
  }

  // The convolution of an input with a filter [kh, kw, C, K].
  Convolution of(const std::vector<int64_t>& x, const std::vector<int64_t>& filter) const {
    require(x.size() == 4 && filter.size() == 4 && kernel_.size() == 2 && strides_.size() == 2, "x and filter need four dimensions");
    require(filter[0] == kernel_[0] && filter[1] == kernel_[1] && filter[2] == x[3], "the filter needs the channels of x");
    const auto out = [&](int i) { return (x[i] - 1) / std::max<int64_t>(strides_[i - 1], 1) + 1; };
    return over(x, {x[0], out(1), out(2), filter[3]});
  }

 private:
  const std::vector<int64_t> kernel_, strides_;
};

}  // namespace fused
