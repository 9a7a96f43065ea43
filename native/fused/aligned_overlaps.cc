// The op AlignedOverlaps of task-aligned assignment (src/loss/tal.ts): of each label with each anchor point, the CIoU of its box
// with the predicted one, at least 0 and only where the anchor point is inside of the label, and the alignment metric
// sqrt(sigmoid(logit of its class)) · CIoU^6. Nearly all values are 0, for which nothing is computed.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "op.h"
#include "pool.h"

namespace fused {
namespace {

// As in src/loss/ciou.ts and tal.ts.
constexpr float EPS = 1e-7f, MIN_SIDE = 16;  // px
const float ASPECT = static_cast<float>(2 / std::acos(-1.0));

struct Box {
  float x1, y1, x2, y2, area, aspect;

  explicit Box(const float* sides) : x1(sides[0]), y1(sides[1]), x2(sides[2]), y2(sides[3]) {
    const float width = x2 - x1, height = std::max(y2 - y1, 0.0f) + EPS;
    area = width * height;
    aspect = std::atan(width / height) * ASPECT;
  }
};

float square(float x) { return x * x; }

float ciou(const Box& p, const Box& q) {
  const float overlapX = std::max(std::min(p.x2, q.x2) - std::max(p.x1, q.x1), 0.0f);
  const float overlapY = std::max(std::min(p.y2, q.y2) - std::max(p.y1, q.y1), 0.0f);
  const float intersection = overlapX * overlapY, iou = intersection / (p.area + (q.area + EPS) - intersection);
  const float hullX = std::max(p.x2, q.x2) - std::min(p.x1, q.x1), hullY = std::max(p.y2, q.y2) - std::min(p.y1, q.y1);
  const float diagonal = square(hullX) + square(hullY) + EPS;
  const float distance = square((p.x1 + p.x2) * 0.5f - (q.x1 + q.x2) * 0.5f) + square((p.y1 + p.y2) * 0.5f - (q.y1 + q.y2) * 0.5f);
  const float v = square(q.aspect - p.aspect), alpha = v / (v + (1 + EPS) - iou);
  return iou - (distance / diagonal + v * alpha);
}

class AlignedOverlaps {
 public:
  using Element = float;
  static constexpr const char* NAME = "AlignedOverlaps";

  explicit AlignedOverlaps(TF_OpKernelConstruction*) {}

  void compute(TF_OpKernelContext* context) const {
    const auto predicted = Tensor<>::input(context, 0), logits = Tensor<>::input(context, 1);
    const auto points = Tensor<>::input(context, 2), truth = Tensor<>::input(context, 3);
    const auto classes = Tensor<>::input(context, 4), mask = Tensor<>::input(context, 5);
    require(predicted.rank() == 3 && truth.rank() == 3 && points.rank() == 2, "boxes need three dimensions, points two");
    const long batch = truth.shape()[0], labels = truth.shape()[1], anchors = points.rows(), count = logits.channels();
    require(predicted.channels() == 4 && truth.channels() == 4 && points.channels() == 2, "boxes have 4 sides, points 2");
    require(predicted.rows() == batch * anchors && logits.rows() == batch * anchors, "predictions of each point are needed");
    require(classes.size() == batch * labels && mask.size() == batch * labels, "a class and a mask of each label are needed");
    const std::vector<int64_t> shape{batch, labels, anchors};
    const auto overlap = Tensor<>::output(context, 0, shape), metric = Tensor<>::output(context, 1, shape);

    const auto row = [&](int i) {
      float *o = overlap.data() + i * anchors, *m = metric.data() + i * anchors;
      std::memset(o, 0, anchors * sizeof(float));
      std::memset(m, 0, anchors * sizeof(float));
      const long image = i / labels, label = static_cast<long>(classes.data()[i]);
      if (!(mask.data()[i] > 0) || label < 0 || label >= count) return;
      const Box box(truth.data() + 4 * i);
      const float growX = 0.5f * std::max(MIN_SIDE - (box.x2 - box.x1), 0.0f);
      const float growY = 0.5f * std::max(MIN_SIDE - (box.y2 - box.y1), 0.0f);
      const float left = box.x1 - growX, right = box.x2 + growX, top = box.y1 - growY, bottom = box.y2 + growY;
      const float* at = points.data();
      for (long a = 0; a < anchors; a++, at += 2) {
        if (!(at[0] > left && at[0] < right && at[1] > top && at[1] < bottom)) continue;
        const long prediction = image * anchors + a;
        o[a] = std::max(ciou(Box(predicted.data() + 4 * prediction), box), 0.0f);
        m[a] = std::sqrt(1 / (1 + std::exp(-logits.data()[prediction * count + label]))) * square(square(o[a]) * o[a]);
      }
    };
    Pool::instance().run({{static_cast<int>(batch * labels), row, nullptr}}, batch * labels * anchors < 1 << 16);
  }
};

// [B, M, A] from the labels [B, M, 4] and the points [A, 2].
void shapes(TF_ShapeInferenceContext* context, TF_Status* status) {
  for (int output = 0; output < 2; output++) joinedShape(context, output, {3, 0, 2}, {2, 0, 1}, status);
}

}  // namespace

void registerAlignedOverlaps() {
  registerOp({"AlignedOverlaps",
              {"predicted: T", "logits: T", "points: T", "truth: T", "classes: T", "mask: T"},
              {"overlap: T", "metric: T"},
              {"T: {float}"},
              shapes});
  registerKernel<AlignedOverlaps>();
}

}  // namespace fused
