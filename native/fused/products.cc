#include "products.h"

namespace fused {

GradDivision::GradDivision(long points, bool shared, long tiles, long channels, long filters) : tiles(tiles) {
  constexpr long CACHE = 512 << 10, TASKS = 8, MIN_TILES = 64;  // bytes; of a group
  const Panels panels = gradLoops().panels(filters);
  const long width = panels.width(), rowV = ceilDiv(channels, LANES) * LANES;
  groups = std::clamp(TASKS / panels.count, 1L, std::max(1L, tiles / MIN_TILES));
  const long fits = CACHE / sizeof(float) / (points * rowV + (shared ? 1 : points) * width);
  block = std::clamp(fits, 1L, ceilDiv(tiles, groups));
  // one line more, so that the points do not share the lines of a set of the cache
  product = {points, channels, panels, rowV, block * rowV + LANES, shared ? 0 : block * width + LANES, rowV * width + LANES};
}

}  // namespace fused
