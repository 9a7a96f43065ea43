// The ops WinogradConv, a convolution with kernel 3 x 3, stride 1 and padding 1 and with optional bias and SiLU, and
// WinogradInputGrad and WinogradFilterGrad, the gradients of such a convolution with respect to its input and its filter. Every
// output is the same sum in the same order however the work is divided among threads; the first two do not depend on the other
// images of the batch either.
#include "winograd.h"

#include <algorithm>

#include "op.h"
#include "pool.h"
#include "scratch.h"

namespace fused {
namespace {

// y [B, H, W, K] of x [B, H, W, C]; filter [3, 3, C, K], or [3, 3, K, C] and its taps in reverse order if transposed.
class Convolution {
 public:
  using Element = float;

  void compute(TF_OpKernelContext* context) const {
    const auto x = Tensor<>::input(context, 0), filter = Tensor<>::input(context, 1);
    std::vector<Tensor<>> biases;
    for (int i = 2; i < tf.NumInputs(context); i++) biases.push_back(Tensor<>::input(context, i));
    const std::vector<int64_t> size = x.shape(), shape = filter.shape();
    const int from = transposed_ ? 3 : 2, to = 5 - from;
    require(size.size() == 4 && shape.size() == 4, "x and filter need four dimensions");
    require(shape[0] == 3 && shape[1] == 3 && shape[from] == size[3], "the filter needs to be 3 x 3, with the channels of x");
    require(biases.empty() || (biases.size() == 1 && biases[0].size() == shape[to]), "the bias needs an element of each filter");
    const auto y = Tensor<>::output(context, 0, {size[0], size[1], size[2], shape[to]});
    if (y.size() > 0) run(size, shape[to], x.data(), filter.data(), biases.empty() ? nullptr : biases[0].data(), y.data());
  }

 protected:
  Convolution(bool silu, bool transposed) : silu_(silu), transposed_(transposed) {}

 private:
  void run(const std::vector<int64_t>& size, long filters, const float* x, const float* filter, const float* bias, float* y) const {
    constexpr long CACHE = 768 << 10, CHANNELS = 16, BLOCKS = 4;  // bytes; of a task; of a thread
    const WinogradLoops& loops = winogradLoops();
    const ProductLoops& products = productLoops();
    const long height = size[1], width = size[2], channels = size[3];
    Winograd w{height, width, channels, filters, ceilDiv(height, 2), ceilDiv(width, 2), products.panels(filters)};
    w.rowV = ceilDiv(w.channels, LANES) * LANES, w.rowM = w.panels.columns();
    const long tiles = size[0] * w.down * w.across;
    const long fits = CACHE / sizeof(float) / (POINTS * (w.rowV + w.rowM));
    const long share = ceilDiv(tiles, BLOCKS * Pool::instance().threads());
    const long block = std::max(1L, ceilDiv(std::min(fits, share), w.panels.rows)) * w.panels.rows;
    // one line more, so that the points do not share the lines of a set of the cache
    w.stepV = block * w.rowV + LANES, w.stepM = block * w.rowM + LANES, w.stepU = w.channels * w.rowM + LANES;

    static thread_local Scratch<float> kept;
    float* u = kept.get(POINTS * w.stepU + w.rowV);
    float* zeros = u + POINTS * w.stepU;
    std::fill_n(zeros, w.rowV, 0.0f);
    const auto transform = [&, u](int i) {
      loops.filter(w, filter, transposed_, i * CHANNELS, std::min((i + 1) * CHANNELS, w.channels), u);
    };
    const auto convolve = [&, u, zeros, block](int i) {
      static thread_local Scratch<float> kept;
      float* v = kept.get(POINTS * (w.stepV + w.stepM));
      float* m = v + POINTS * w.stepV;
      const long first = i * block, count = std::min(block, tiles - first);
      loops.input(w, x, zeros, first, count, v);
      for (long p = 0; p < POINTS; p++)
        products.product(w.panels, v + p * w.stepV, w.rowV, u + p * w.stepU, w.channels, count, m + p * w.stepM, w.rowM);
      loops.output(w, m, bias, silu_, first, count, y);
    };
    Pool::instance().run({{static_cast<int>(ceilDiv(w.channels, CHANNELS)), transform, nullptr},
                          {static_cast<int>(ceilDiv(tiles, block)), convolve, nullptr}},
                         isSmall(POINTS, tiles, w.channels, w.filters));
  }

  const bool silu_, transposed_;
};

struct WinogradConv : Convolution {
  static constexpr const char* NAME = "WinogradConv";
  explicit WinogradConv(TF_OpKernelConstruction* node) : Convolution(boolAttribute(node, "silu"), false) {}
};

struct WinogradInputGrad : Convolution {
  static constexpr const char* NAME = "WinogradInputGrad";
  explicit WinogradInputGrad(TF_OpKernelConstruction*) : Convolution(false, true) {}
};

// dw [3, 3, C, K] of x [B, H, W, C] and dy [B, H, W, K]. The tiles are divided into groups, whose sums are added in a fixed order.
struct WinogradFilterGrad {
  using Element = float;
  static constexpr const char* NAME = "WinogradFilterGrad";
  explicit WinogradFilterGrad(TF_OpKernelConstruction*) {}

  void compute(TF_OpKernelContext* context) const {
    const auto x = Tensor<>::input(context, 0), dy = Tensor<>::input(context, 1);
    const std::vector<int64_t> from = x.shape(), to = dy.shape();
    require(from.size() == 4 && to.size() == 4, "x and dy need four dimensions");
    require(std::equal(from.begin(), from.begin() + 3, to.begin()), "x and dy need the same batch, height and width");
    const auto dw = Tensor<>::output(context, 0, {3, 3, from[3], to[3]});
    if (dw.size() > 0) run(from, to[3], x.data(), dy.data(), dw.data());
  }

 private:
  static void run(const std::vector<int64_t>& size, long filters, const float* x, const float* dy, float* dw) {
    constexpr long CHANNELS = 16;  // of a task
    const WinogradLoops& loops = winogradLoops();
    Winograd w{static_cast<long>(size[1]), static_cast<long>(size[2]), static_cast<long>(size[3]), filters};
    w.down = ceilDiv(w.height, 2), w.across = ceilDiv(w.width, 2);
    const GradDivision d(POINTS, false, size[0] * w.down * w.across, w.channels, filters);
    w.rowV = d.product.rowV, w.stepV = d.product.stepV;

    static thread_local Scratch<float> kept;
    float* sums = kept.get(d.tasks() * d.sizeM() + w.rowV);  // of the tasks, and zeros
    float* zeros = sums + d.tasks() * d.sizeM();
    std::fill_n(zeros, w.rowV, 0.0f);
    const auto operands = [&, zeros](long panel, long first, long count, float* v, float* u) {
      loops.input(w, x, zeros, first, count, v);
      loops.grad(w, d.product, dy, panel, first, count, u);
      return std::pair(v, u);
    };
    const auto products = [&, sums](int task) { multiply(d, task, operands, sums + task * d.sizeM()); };
    const long slices = ceilDiv(w.channels, CHANNELS);
    const auto add = [&, sums](int i) {
      const long panel = i / slices, from = i % slices * CHANNELS, to = std::min(from + CHANNELS, w.channels);
      loops.taps(w, d.product, panel, sums + panel * d.groups * d.sizeM(), d.groups, d.sizeM(), from, to, dw);
    };
    Pool::instance().run({{static_cast<int>(d.tasks()), products, nullptr},
                          {static_cast<int>(d.product.panels.count * slices), add, nullptr}},
                         isSmall(POINTS, d.tiles, w.channels, w.filters));
  }
};

// x [B, H, W, ·] with the dimension `last` of the filter as its last one.
template <int last>
void shapeOf(TF_ShapeInferenceContext* context, TF_Status* status) {
  joinedShape(context, 0, {0, 0, 3}, {1, last, last + 1}, status);
}

}  // namespace

void registerWinograd() {
  registerOp({"WinogradConv",
              {"x: T", "filter: T", "bias: N * T"},
              {"y: T"},
              {"T: {float}", "N: int >= 0", "silu: bool"},
              shapeOf<3>});
  registerOp({"WinogradInputGrad", {"dy: T", "filter: T"}, {"dx: T"}, {"T: {float}"}, shapeOf<2>});
  registerOp({"WinogradFilterGrad", {"x: T", "dy: T"}, {"dw: T"}, {"T: {float}"}, unknownShape});
  registerKernel<WinogradConv>();
  registerKernel<WinogradInputGrad>();
  registerKernel<WinogradFilterGrad>();
}

}  // namespace fused
