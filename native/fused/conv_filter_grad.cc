// The op ConvFilterGrad, the gradient of a convolution's filter, and its kernel in float32: for each tap of the filter the product
// of the transposed input, shifted by the tap, and the gradient of the output. x [B][H][W][C], dy [B][H'][W'][D], filter
// [kh][kw][C][D]; padding k / 2 on both sides (odd k). Positions of the output are tiles of GradDivision: results do not depend on
// the number of threads.
#include <algorithm>

#include "convolution.h"
#include "pool.h"
#include "products.h"
#include "scratch.h"

namespace fused {
namespace {

class ConvFilterGrad {
 public:
  using Element = float;
  static constexpr const char* NAME = "ConvFilterGrad";
  explicit ConvFilterGrad(TF_OpKernelConstruction* node) : window_(node) {}

  void compute(TF_OpKernelContext* context) const {
    const auto x = Tensor<>::input(context, 0), dy = Tensor<>::input(context, 1);
    const Convolution c = window_.over(x.shape(), dy.shape());
    const auto dw = Tensor<>::output(context, 0, {c.h.kernel, c.w.kernel, c.channels, c.filters});
    if (dw.size() > 0) run(c, x.data(), dy.data(), dw.data());
  }

 private:
  static void run(const Convolution& c, const float* x, const float* dy, float* dw) {
    const GradDivision d(c.taps(), true, c.batch * c.h.out * c.w.out, c.channels, c.filters);
    // What has the layout of the operands is not copied.
    const bool one = c.taps() == 1 && c.h.stride == 1 && c.w.stride == 1;
    const struct { bool x, dy; } direct{one && c.channels == d.product.rowV, c.filters == d.product.panels.width()};
    static thread_local Scratch<float> kept;
    float* sums = kept.get(d.tasks() * d.sizeM());
    const auto operands = [&](long panel, long first, long count, float* v, float* u) {
      if (!direct.x) packX(c, d.product, x, first, count, v);
      if (!direct.dy) packDy(c, d.product, dy, panel, first, count, u);
      return std::pair(direct.x ? x + first * c.channels : v, direct.dy ? dy + first * c.filters : u);
    };
    const auto products = [&, sums](int task) { multiply(d, task, operands, sums + task * d.sizeM()); };
    const auto total = [&, sums](int tap) { add(c, d, sums, tap, dw); };
    Pool::instance().run({{static_cast<int>(d.tasks()), products, nullptr}, {static_cast<int>(c.taps()), total, nullptr}},
                         isSmall(c.taps(), d.tiles, c.channels, c.filters));
  }

  // V: the input at each tap of the positions [first, first + count).
  static void packX(const Convolution& c, const GradProduct& p, const float* x, long first, long count, float* v) {
    for (long q = 0; q < count; q++) {
      const long position = first + q, row = position / c.w.out, image = row / c.h.out;
      const long top = row % c.h.out * c.h.stride - c.h.pad(), left = position % c.w.out * c.w.stride - c.w.pad();
      for (long tap = 0; tap < c.taps(); tap++) {
        const long i = top + tap / c.w.kernel, j = left + tap % c.w.kernel;
        const bool inside = i >= 0 && i < c.h.in && j >= 0 && j < c.w.in;
        const float* at = inside ? x + ((image * c.h.in + i) * c.w.in + j) * c.channels : nullptr;
        copyPadded(at, c.channels, p.rowV, v + tap * p.stepV + q * p.rowV);
      }
    }
  }

  // U: the gradient of a panel's filters.
  static void packDy(const Convolution& c, const GradProduct& p, const float* dy, long panel, long first, long count, float* u) {
    const long width = p.panels.width(), from = panel * width, filters = std::min(width, c.filters - from);
    for (long q = 0; q < count; q++) copyPadded(dy + (first + q) * c.filters + from, filters, width, u + q * width);
  }

  // Adds the sums of the groups, for a tap.
  static void add(const Convolution& c, const GradDivision& d, const float* sums, long tap, float* dw) {
    const long width = d.product.panels.width();
    for (long panel = 0; panel < d.product.panels.count; panel++) {
      const long from = panel * width, filters = std::min(width, c.filters - from);
      for (long channel = 0; channel < c.channels; channel++) {
        float* out = dw + (tap * c.channels + channel) * c.filters + from;
        const float* part = sums + panel * d.groups * d.sizeM() + tap * d.product.stepM + channel * width;
        for (long g = 0; g < d.groups; g++, part += d.sizeM())
          for (long k = 0; k < filters; k++) out[k] = g == 0 ? part[k] : out[k] + part[k];
      }
    }
  }

  const Window window_;
};

}  // namespace

void registerConvFilterGrad() {
  registerOp({"ConvFilterGrad",
              {"x: T", "dy: T"},
              {"dw: float"},
              {"T: {bfloat16, float}", "kernel: list(int)", "strides: list(int)"},
              unknownShape});
  registerKernel<ConvFilterGrad>();
}

}  // namespace fused
