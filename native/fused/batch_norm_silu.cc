// Batch normalization with the statistics of the batch and SiLU as one op, and its gradient. The op reads or writes the
// activations three times instead of eight, its gradient five times instead of fourteen, and only the input is kept for the
// gradient. x [rows][channels], rows = B · H · W. Statistics of blocks of rows are combined by the formula of Chan et al. 1983
// in a fixed order, so that results do not depend on the number of threads.
#include <algorithm>
#include <cmath>

#include "loops.h"
#include "op.h"
#include "pool.h"

namespace fused {
namespace {

// Rows are processed in blocks that fit the L1 and L2 caches; blocks are grouped to tasks for the threads.
struct Tasks {
  static constexpr long BLOCK = 8192;  // floats
  static constexpr long MAX_TASKS = 64;
  long rows, block, blocks;
  int count;
  bool small;

  Tasks(long rows, long channels) : rows(rows), block(std::max(1L, BLOCK / std::max(1L, channels))) {
    blocks = (rows + block - 1) / block;
    count = static_cast<int>(std::min(blocks, MAX_TASKS));
    small = rows * channels < 4 * BLOCK;
  }

  // Calls visit(first row, number of rows) for each block of a task.
  template <class Visit>
  void each(int task, Visit visit) const {
    for (long b = blocks * task / count; b < blocks * (task + 1) / count; b++)
      visit(b * block, std::min(block, rows - b * block));
  }
};

// Moments of each channel in double precision, to which others can be added (Chan et al. 1983).
struct Moments {
  std::vector<double> mean, squares;
  double n = 0;
  explicit Moments(long channels) : mean(channels), squares(channels) {}

  template <class T>
  void add(double m, const T* otherMean, const T* otherSquares) {
    const double total = n + m;
    for (size_t c = 0; c < mean.size(); c++) {
      const double delta = otherMean[c] - mean[c];
      mean[c] += delta * (m / total);
      squares[c] += otherSquares[c] + delta * delta * (n * m / total);
    }
    n = total;
  }
};

// Inputs: x, gamma, beta, running mean and variance. Outputs: y, mean and 1 / sqrt(variance + epsilon) of the batch, and the
// new running statistics (with the unbiased variance, as in PyTorch); of BatchNormSiluHalf also the second half of the
// channels of y.
template <class E, bool HALF>
class BatchNormSilu {
 public:
  using Element = E;
  static constexpr const char* NAME = HALF ? "BatchNormSiluHalf" : "BatchNormSilu";

  explicit BatchNormSilu(TF_OpKernelConstruction* node)
      : epsilon_(floatAttribute(node, "epsilon")), momentum_(floatAttribute(node, "momentum")) {}

  void compute(TF_OpKernelContext* context) const {
    const auto x = Tensor<E>::input(context, 0);
    const auto gamma = Tensor<>::input(context, 1), beta = Tensor<>::input(context, 2),
               runningMean = Tensor<>::input(context, 3), runningVariance = Tensor<>::input(context, 4);
    const long channels = x.channels(), rows = x.rows();
    for (const Tensor<>* t : {&gamma, &beta, &runningMean, &runningVariance})
      require(t->size() == channels, "a parameter has another number of channels than x");
    const std::vector<int64_t> one{channels};
    const auto y = Tensor<E>::output(context, 0, x.shape());
    const auto mean = Tensor<>::output(context, 1, one), inverse = Tensor<>::output(context, 2, one),
               newMean = Tensor<>::output(context, 3, one), newVariance = Tensor<>::output(context, 4, one);
    const long half = HALF ? channels / 2 : 0;
    E* second = nullptr;
    if (HALF) {
      std::vector<int64_t> shape = x.shape();
      shape.back() = half;
      second = Tensor<E>::output(context, 5, shape).data();  // owned by the context
    }

    const Tasks tasks(rows, channels);
    std::vector<Moments> parts(tasks.count, Moments(channels));
    std::vector<float> scale(channels);
    const Phase statistics{
        tasks.count,
        [&](int task) {
          std::vector<float> m(4 * channels), squares(4 * channels);
          tasks.each(task, [&](long row, long n) {
            loops<E>().moments(x.data() + row * channels, n, channels, m.data(), squares.data());
            parts[task].add(n, m.data(), squares.data());
          });
        },
        [&] {
          Moments total(channels);
          for (const Moments& part : parts) total.add(part.n, part.mean.data(), part.squares.data());
          for (long c = 0; c < channels; c++) {
            mean.data()[c] = total.mean[c];
            inverse.data()[c] = 1 / std::sqrt(total.squares[c] / rows + epsilon_);
            const float unbiased = total.squares[c] / std::max(1L, rows - 1);
            newMean.data()[c] = moved(runningMean.data()[c], mean.data()[c]);
            newVariance.data()[c] = moved(runningVariance.data()[c], unbiased);
            scale[c] = gamma.data()[c] * inverse.data()[c];
          }
        }};
    const Phase values{tasks.count,
                       [&](int task) {
                         // in reverse order: the rows that were read last may still be cached
                         tasks.each(tasks.count - 1 - task, [&](long row, long n) {
                           loops<E>().normalizeSilu(x.data() + row * channels, n, channels, mean.data(), scale.data(), beta.data(),
                                                 y.data() + row * channels, second + row * half, half);
                         });
                       },
                       nullptr};
    Pool::instance().run({statistics, values}, tasks.small);
  }

 private:
  float moved(float running, float batch) const { return running * (1 - momentum_) + batch * momentum_; }

  const float epsilon_, momentum_;
};

// Inputs: x, gamma, beta, mean and inverse standard deviation from BatchNormSilu, and N parts of the gradient of y: channels
// [from, from + count) of part i are added to channels [to, to + count). Outputs: gradients of x, gamma and beta.
template <class E>
class BatchNormSiluGrad {
 public:
  using Element = E;
  static constexpr const char* NAME = "BatchNormSiluGrad";

  explicit BatchNormSiluGrad(TF_OpKernelConstruction* node)
      : from_(intsAttribute(node, "from")), to_(intsAttribute(node, "to")), count_(intsAttribute(node, "count")) {}

  void compute(TF_OpKernelContext* context) const {
    const int parts = tf.NumInputs(context) - FIRST;
    require(from_.size() == size_t(parts) && to_.size() == size_t(parts) && count_.size() == size_t(parts),
            "from, to and count need an element for each part");
    const std::vector<int64_t> shape = Tensor<E>::input(context, 0).shape();
    // The output is allocated before the inputs are requested, since an input with another reference cannot be reused.
    const bool whole = to_[0] == 0 && count_[0] == shape.back() && Tensor<E>::input(context, FIRST).shape() == shape;
    const auto dx = Tensor<E>::output(context, 0, shape, whole ? FIRST : -1);
    const auto x = Tensor<E>::input(context, 0);
    const auto gamma = Tensor<>::input(context, 1), beta = Tensor<>::input(context, 2),
               mean = Tensor<>::input(context, 3), inverse = Tensor<>::input(context, 4);
    const long channels = x.channels(), rows = x.rows();
    const auto dgamma = Tensor<>::output(context, 1, {channels}), dbeta = Tensor<>::output(context, 2, {channels});
    std::vector<Tensor<E>> given;
    for (int i = 0; i < parts; i++) given.push_back(Tensor<E>::input(context, FIRST + i));
    const std::vector<Span<E>> spans = spansOf(given, channels, rows);

    std::vector<float> scale(channels), meanG(channels), slope(channels);
    for (long c = 0; c < channels; c++) scale[c] = gamma.data()[c] * inverse.data()[c];
    const Tasks tasks(rows, channels);
    std::vector<std::vector<double>> sums(tasks.count, std::vector<double>(2 * channels));
    const int count = spans.size();
    const Phase reduce{
        tasks.count,
        [&](int task) {
          std::vector<float> sum(4 * channels), product(4 * channels);
          tasks.each(task, [&](long row, long n) {
            loops<E>().gradientOfNorm(x.data(), row, n, channels, spans.data(), count, mean.data(), scale.data(),
                                   beta.data(), dx.data(), sum.data(), product.data());
            for (long c = 0; c < channels; c++) {
              sums[task][c] += sum[c];
              sums[task][channels + c] += product[c];
            }
          });
        },
        [&] {
          for (long c = 0; c < channels; c++) {
            double sum = 0, product = 0;
            for (const auto& part : sums) sum += part[c], product += part[channels + c];
            dbeta.data()[c] = sum;
            dgamma.data()[c] = product * inverse.data()[c];
            meanG[c] = sum / rows;
            slope[c] = product * inverse.data()[c] * inverse.data()[c] / rows;
          }
        }};
    const Phase values{tasks.count,
                       [&](int task) {
                         tasks.each(tasks.count - 1 - task, [&](long row, long n) {
                           loops<E>().gradientOfInput(x.data() + row * channels, n, channels, mean.data(), scale.data(),
                                                   meanG.data(), slope.data(), dx.data() + row * channels);
                         });
                       },
                       nullptr};
    Pool::instance().run({reduce, values}, tasks.small);
  }

 private:
  static constexpr int FIRST = 5;  // index of the first part among the inputs

  // Splits the channels where a part begins or ends. Every channel must be covered by a part.
  std::vector<Span<E>> spansOf(const std::vector<Tensor<E>>& given, long channels, long rows) const {
    std::vector<long> cuts{0, channels};
    for (size_t i = 0; i < given.size(); i++) {
      require(given[i].rows() == rows, "a part has another number of rows than x");
      require(from_[i] >= 0 && count_[i] > 0 && from_[i] + count_[i] <= given[i].channels() && to_[i] >= 0 &&
                  to_[i] + count_[i] <= channels,
              "a part lies outside of the channels");
      cuts.push_back(to_[i]);
      cuts.push_back(to_[i] + count_[i]);
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    std::vector<Span<E>> spans;
    for (size_t k = 0; k + 1 < cuts.size(); k++) {
      Span<E> span{cuts[k], cuts[k + 1], 0, {}};
      for (size_t i = 0; i < given.size(); i++) {
        if (to_[i] > span.from || to_[i] + count_[i] < span.to) continue;
        require(span.count < MAX_ADDENDS, "too many parts");
        span.addends[span.count++] = {given[i].data() + from_[i] - to_[i], given[i].channels()};
      }
      require(span.count > 0, "some channels have no gradient");
      spans.push_back(span);
    }
    return spans;
  }

  const std::vector<int64_t> from_, to_, count_;
};

void shapesOfValue(TF_ShapeInferenceContext* context, TF_Status* status) {
  sameShape(context, 0, 0, status);
  for (int i = 1; i < 5; i++) sameShape(context, i, 1, status);
}

// The shape of the half must be inferred: TensorFlow's oneDNN graph pass requires the shape of a convolution's input.
void shapesWithHalf(TF_ShapeInferenceContext* context, TF_Status* status) {
  shapesOfValue(context, status);
  TF_ShapeHandle *x = tf.NewShapeHandle(), *front = tf.NewShapeHandle(), *half = tf.NewShapeHandle();
  TF_DimensionHandle* channels = tf.NewDimensionHandle();
  tf.ShapeInferenceContextGetInput(context, 0, x, status);
  tf.ShapeInferenceContextDim(context, x, -1, channels);
  tf.ShapeInferenceContextSubshape(context, x, 0, -1, front, status);
  if (tf.GetCode(status) == TF_OK && tf.DimensionHandleValueKnown(channels)) {
    TF_ShapeHandle* last = tf.ShapeInferenceContextVectorFromSize(context, tf.DimensionHandleValue(channels) / 2);
    tf.ShapeInferenceContextConcatenateShapes(context, front, last, half, status);
    tf.ShapeInferenceContextSetOutput(context, 5, half, status);
    tf.DeleteShapeHandle(last);
  }
  tf.DeleteDimensionHandle(channels);
  for (TF_ShapeHandle* shape : {x, front, half}) tf.DeleteShapeHandle(shape);
}

void shapesOfGradient(TF_ShapeInferenceContext* context, TF_Status* status) {
  sameShape(context, 0, 0, status);
  for (int i = 1; i < 3; i++) sameShape(context, i, 1, status);
}

template <class E>
void registerKernels() {
  registerKernel<BatchNormSilu<E, false>>();
  registerKernel<BatchNormSilu<E, true>>();
  registerKernel<BatchNormSiluGrad<E>>();
}

}  // namespace

void registerBatchNormSilu() {
  const char* const TYPES = "T: {float, bfloat16} = DT_FLOAT";
  const std::vector<const char*> inputs{"x: T", "gamma: float", "beta: float", "running_mean: float",
                                        "running_variance: float"},
      attributes{TYPES, "epsilon: float", "momentum: float"};
  std::vector<const char*> outputs{"y: T", "mean: float", "inverse: float", "new_mean: float", "new_variance: float"};
  registerOp({"BatchNormSilu", inputs, outputs, attributes, shapesOfValue});
  outputs.push_back("second_half: T");
  registerOp({"BatchNormSiluHalf", inputs, outputs, attributes, shapesWithHalf});
  registerOp({"BatchNormSiluGrad",
              {"x: T", "gamma: float", "beta: float", "mean: float", "inverse: float", "parts: N * T"},
              {"dx: T", "dgamma: float", "dbeta: float"},
              {TYPES, "N: int >= 1", "from: list(int)", "to: list(int)", "count: list(int)"},
              shapesOfGradient});
  registerKernels<float>();
  registerKernels<Bfloat16>();
}

}  // namespace fused
