// The op ConvFilterGrad (conv_filter_grad.cc) in bfloat16, by the AMX tiles of the processor; the filter is in float32.
//
// Positions of the output are numbered through rows, images and the padding between them, which consists of zeros, so that a
// shift by a tap is a constant. With stride 2, rows and columns of x are separated by their remainders (phases). Positions are
// divided into groups, whose sums are added in a fixed order: results do not depend on the number of threads.
#include "tiles.h"

#if defined(__x86_64__) && defined(__linux__)

#include <algorithm>
#include <cstring>

#include "convolution.h"
#include "pool.h"
#include "scratch.h"

namespace fused {
namespace {

// Addresses of the elements at positions [from, from + count): rows `phase` of x, or of dy with stride 1; zeros for padding.
void addressesOf(const Convolution& c, const Bfloat16* base, long channels, bool input, long phase, long from, long count,
                 const Bfloat16* zeros, const Bfloat16** at) {
  const auto size = [&](const Axis& axis) { return input ? axis.in : axis.out; };
  const auto index = [&](const Axis& axis, long i, long p) { return input ? i * axis.stride + p : i; };
  const long phaseW = phase % Convolution::phases(c.w), phaseH = phase / Convolution::phases(c.w);
  const long pitchW = c.w.pitch(), pitchH = c.h.pitch();
  for (long q = 0; q < count;) {
    const long position = from + q;
    long row = position / pitchW, column = position % pitchW;
    if (position < 0 && column != 0) row--, column += pitchW;
    const long n = std::min(count - q, pitchW - column), image = row / pitchH, r = index(c.h, row % pitchH, phaseH);
    const bool inside = position >= 0 && image < c.batch && row % pitchH < c.h.out && r < size(c.h);
    const Bfloat16* start = inside ? base + (image * size(c.h) + r) * size(c.w) * channels : nullptr;
    for (long k = 0; k < n; k++, q++, column++) {
      const long i = index(c.w, column, phaseW);
      at[q] = inside && column < c.w.out && i < size(c.w) ? start + i * channels : zeros;
    }
  }
}

// How the work is divided; depends on nothing but the shapes.
struct Division {
  long panel;   // positions packed at a time
  long before, after;  // positions that taps reach beyond a panel
  long blocksC, blocksD, tiles;
  long groups, panels, slices, sliceD;

  explicit Division(const Convolution& c) {
    constexpr long CACHE = 1 << 20, MIN_PANEL = 512, MAX_PANEL = 2048;  // bytes; positions
    constexpr long MAX_SUMS = 1 << 19, MAX_GROUPS = 16, TASKS = 8;      // floats
    before = after = 0;
    for (long tap = 0; tap < c.taps(); tap++) {
      before = std::max(before, -c.shift(tap));
      after = std::max(after, c.shift(tap));
    }
    blocksC = ceilDiv(c.channels, TILE);
    blocksD = ceilDiv(c.filters, TILE);
    tiles = c.taps() * blocksC * blocksD;
    const long width = (blocksC * c.phases() + blocksD) * TILE * sizeof(Bfloat16);
    const long fits = std::min(CACHE / width, c.positions() / TASKS);
    panels = ceilDiv(c.positions(), std::clamp(fits, MIN_PANEL, MAX_PANEL));
    panel = ceilDiv(ceilDiv(c.positions(), panels), DEPTH) * DEPTH;
    panels = ceilDiv(c.positions(), panel);
    groups = std::clamp(MAX_SUMS / (tiles * SUMS), 1L, std::min(panels, MAX_GROUPS));
    sliceD = std::max(std::min(blocksD, 4L), ceilDiv(ceilDiv(blocksD * groups, TASKS), 2) * 2);
    slices = ceilDiv(blocksD, sliceD);
  }
};

class ConvFilterGrad {
 public:
  using Element = Bfloat16;
  static constexpr const char* NAME = "ConvFilterGrad";

  explicit ConvFilterGrad(TF_OpKernelConstruction* node) : window_(node) {}

  void compute(TF_OpKernelContext* context) const {
    const auto x = Tensor<Bfloat16>::input(context, 0), dy = Tensor<Bfloat16>::input(context, 1);
    const Convolution c = window_.over(x.shape(), dy.shape());
    const auto out = Tensor<>::output(context, 0, {c.h.kernel, c.w.kernel, c.channels, c.filters});
    const Division d(c);
    static thread_local Scratch<float> kept;
    float* sums = kept.get(d.groups * d.tiles * SUMS);

    const Phase products{static_cast<int>(d.groups * d.slices),
                         [&](int task) { multiply(c, d, x.data(), dy.data(), task, sums); }, nullptr};
    const Phase total{static_cast<int>(c.taps() * d.blocksC), [&](int row) { add(c, d, sums, row, out.data()); }, nullptr};
    Pool::instance().run({products, total}, d.groups * d.slices == 1);
  }

 private:
  // The sums of a group of panels, for a slice of the filters.
  static void multiply(const Convolution& c, const Division& d, const Bfloat16* x, const Bfloat16* dy, int task, float* sums) {
    static thread_local Scratch<Bfloat16> packed;
    static thread_local Scratch<const Bfloat16*> addresses;
    const long group = task / d.slices, fromD = task % d.slices * d.sliceD, blocksD = std::min(d.sliceD, d.blocksD - fromD);
    const long length = ceilDiv(d.before + d.panel + d.after, DEPTH) * DEPTH;
    // rows of A: not a multiple of 4096 bytes apart, which would map them to the same lines of the L1 cache
    const long stride = length / DEPTH % 2 == 0 ? length + DEPTH : length;
    const long sizeA = d.blocksC * TILE * stride, width = std::max(d.blocksC, d.blocksD) * TILE;
    Bfloat16* a = packed.get(c.phases() * sizeA + blocksD * TILE * d.panel + width);
    Bfloat16* b = a + c.phases() * sizeA;
    Bfloat16* zeros = b + blocksD * TILE * d.panel;
    std::memset(zeros, 0, width * sizeof(Bfloat16));
    const Bfloat16** at = addresses.get(length);
    float* part = sums + group * d.tiles * SUMS;  // [tap][block of C][block of D]
    for (long row = 0; row < c.taps() * d.blocksC; row++)
      std::memset(part + (row * d.blocksD + fromD) * SUMS, 0, blocksD * SUMS * sizeof(float));

    const TileScope scope;
    std::vector<const Bfloat16*> rows(c.taps() * d.blocksC);
    for (long row = 0; row < c.taps() * d.blocksC; row++)
      rows[row] = a + c.phase(row / d.blocksC) * sizeA + row % d.blocksC * TILE * stride + d.before + c.shift(row / d.blocksC);
    for (long p = d.panels * group / d.groups; p < d.panels * (group + 1) / d.groups; p++) {
      const long from = p * d.panel, depth = std::min(d.panel, ceilDiv(c.positions() - from, DEPTH) * DEPTH);
      for (long phase = 0; phase < c.phases(); phase++) {
        addressesOf(c, x, c.channels, true, phase, from - d.before, length, zeros, at);
        packTransposed(at, length, c.channels, a + phase * sizeA, stride);
      }
      addressesOf(c, dy, c.filters, false, 0, from, depth, zeros, at);
      for (long q = 0; q < depth; q++) at[q] += at[q] == zeros ? 0 : fromD * TILE;
      packPairs(at, depth, std::min(c.filters - fromD * TILE, blocksD * TILE), b);
      multiplyTiles(rows.data(), rows.size(), stride, b, blocksD, TILE * depth, depth, part + fromD * SUMS, d.blocksD);
    }
  }

  // Adds the sums of the groups, for a tap and a block of channels.
  static void add(const Convolution& c, const Division& d, const float* sums, long row, float* out) {
    const long tap = row / d.blocksC, from = row % d.blocksC * TILE, n = std::min(TILE, c.channels - from);
    for (long i = 0; i < n; i++)
      for (long j = 0; j < d.blocksD; j++) {
        const long count = std::min(TILE, c.filters - j * TILE);
        float total[TILE] = {};
        for (long g = 0; g < d.groups; g++) {
          const float* part = sums + (g * d.tiles + row * d.blocksD + j) * SUMS + i * TILE;
          for (long k = 0; k < TILE; k++) total[k] += part[k];
        }
        std::memcpy(out + (tap * c.channels + from + i) * c.filters + j * TILE, total, count * sizeof(float));
      }
  }

  const Window window_;
};

}  // namespace

void registerTileFilterGrad() { registerKernel<ConvFilterGrad>(); }

}  // namespace fused

#else

namespace fused {

void registerTileFilterGrad() {}

}  // namespace fused

#endif
