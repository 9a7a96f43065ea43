// The op ProductConv, a convolution with optional bias and SiLU as a product of matrices: output positions x taps and channels by
// taps and channels x filters. Kernels are odd, padding is k / 2 on both sides. Every output is the same sum in the same order
// however the work is divided among threads and whatever the other images of the batch are.
#include <algorithm>

#include "convolution.h"
#include "pool.h"
#include "products.h"
#include "scratch.h"

namespace fused {
namespace {

// y [B, H', W', K] of x [B, H, W, C] and filter [kh, kw, C, K].
class ProductConv {
 public:
  using Element = float;
  static constexpr const char* NAME = "ProductConv";
  explicit ProductConv(TF_OpKernelConstruction* node) : silu_(boolAttribute(node, "silu")), window_(node) {}

  void compute(TF_OpKernelContext* context) const {
    const auto x = Tensor<>::input(context, 0), filter = Tensor<>::input(context, 1);
    std::vector<Tensor<>> biases;
    for (int i = 2; i < tf.NumInputs(context); i++) biases.push_back(Tensor<>::input(context, i));
    const Convolution c = window_.of(x.shape(), filter.shape());
    require(biases.empty() || (biases.size() == 1 && biases[0].size() == c.filters), "the bias needs an element of each filter");
    const auto y = Tensor<>::output(context, 0, {c.batch, c.h.out, c.w.out, c.filters});
    if (y.size() > 0) run(c, x.data(), filter.data(), biases.empty() ? nullptr : biases[0].data(), y.data());
  }

 private:
  void run(const Convolution& c, const float* x, const float* filter, const float* bias, float* y) const {
    constexpr long CACHE = 384 << 10, ROWS = 64, BLOCKS = 4;  // bytes; of a task; of a thread
    const ProductLoops& loops = productLoops();
    const Panels panels = loops.panels(c.filters);
    const long depth = c.taps() * c.channels, rowM = panels.columns(), positions = c.batch * c.h.out * c.w.out;
    const bool direct = c.taps() == 1 && c.h.stride == 1 && c.w.stride == 1;  // x has the layout of the operand
    const long fits = CACHE / sizeof(float) / (depth + rowM), share = ceilDiv(positions, BLOCKS * Pool::instance().threads());
    const long block = std::max(1L, ceilDiv(std::min(fits, share), panels.rows)) * panels.rows;

    static thread_local Scratch<float> kept;
    float* u = kept.get(depth * rowM);
    const auto pack = [&, u](int i) { packFilter(filter, c.filters, panels, depth, i * ROWS, std::min((i + 1) * ROWS, depth), u); };
    const auto convolve = [&, u](int i) {
      static thread_local Scratch<float> kept;
      float* m = kept.get(block * (rowM + depth));
      float* v = m + block * rowM;
      const long first = i * block, count = std::min(block, positions - first);
      // What the steps read beyond the last position has to be there.
      const long whole = direct ? count / panels.rows * panels.rows : 0;
      if (whole > 0) loops.product(panels, x + first * depth, depth, u, depth, whole, m, rowM);
      if (whole < count) {
        packInput(c, x, first + whole, count - whole, v);
        loops.product(panels, v, depth, u, depth, count - whole, m + whole * rowM, rowM);
      }
      loops.activate(m, rowM, count, c.filters, bias, silu_, y + first * c.filters);
    };
    Pool::instance().run({{static_cast<int>(ceilDiv(depth, ROWS)), pack, nullptr},
                          {static_cast<int>(ceilDiv(positions, block)), convolve, nullptr}},
                         isSmall(1, positions, depth, c.filters));
  }

  // U of the rows [from, to) of the filter [depth][filters].
  static void packFilter(const float* filter, long filters, const Panels& panels, long depth, long from, long to, float* u) {
    const long width = panels.width();
    for (long panel = 0; panel < panels.count; panel++)
      for (long d = from; d < to; d++)
        copyPadded(filter + d * filters + panel * width, std::min(width, filters - panel * width), width,
                   u + (panel * depth + d) * width);
  }

  // V: what the filter covers at each of the positions [first, first + count), zeros outside of the image.
  static void packInput(const Convolution& c, const float* x, long first, long count, float* v) {
    for (long position = first; position < first + count; position++) {
      const long row = position / c.w.out, image = row / c.h.out;
      const long top = row % c.h.out * c.h.stride - c.h.pad(), left = position % c.w.out * c.w.stride - c.w.pad();
      const long from = std::max(0L, -left), to = std::min(c.w.kernel, c.w.in - left);  // columns of the filter
      for (long i = top; i < top + c.h.kernel; i++, v += c.w.kernel * c.channels) {
        const bool inside = i >= 0 && i < c.h.in;
        std::fill_n(v, from * c.channels, 0.0f);
        copyPadded(inside ? x + ((image * c.h.in + i) * c.w.in + left + from) * c.channels : nullptr, (to - from) * c.channels,
                   (c.w.kernel - from) * c.channels, v + from * c.channels);
      }
    }
  }

  const bool silu_;
  const Window window_;
};

}  // namespace

void registerProductConv() {
  registerOp({"ProductConv",
              {"x: T", "filter: T", "bias: N * T"},
              {"y: T"},
              {"T: {float}", "N: int >= 0", "silu: bool", "kernel: list(int)", "strides: list(int)"},
              unknownShape});
  registerKernel<ProductConv>();
}

}  // namespace fused
