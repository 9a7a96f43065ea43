// Registers the TensorFlow ops of this project.
#include <mutex>

#include "../common/napi.h"
#include "tiles.h"
#include "winograd.h"

namespace fused {
void registerAlignedOverlaps();
void registerBatchNormSilu();
void registerConvFilterGrad();
void registerTileFilterGrad();
void registerWinograd();
}  // namespace fused

// register(libraries: string[]) → {tiles: boolean, winograd: boolean}: whether ConvFilterGrad has a kernel in bfloat16, which needs
// AMX, and whether WinogradConv and its gradients are, which need AVX-512 or AVX2. libraries: full paths of TensorFlow's, each
// before those that depend on it. Registers once in a process.
static napi_value Register(napi_env env, const native::Arguments& a) {
  native::loadTensorflow(native::textsOf(env, a[0]));
  static std::once_flag once;
  std::call_once(once, [] {
    fused::registerAlignedOverlaps();
    fused::registerBatchNormSilu();
    fused::registerConvFilterGrad();
    if (fused::hasWinograd()) fused::registerWinograd();
    if (fused::hasTiles()) fused::registerTileFilterGrad();
  });
  napi_value out, tiles, winograd;
  native::check(env, napi_create_object(env, &out));
  native::check(env, napi_get_boolean(env, fused::hasTiles(), &tiles));
  native::check(env, napi_get_boolean(env, fused::hasWinograd(), &winograd));
  native::setProperty(env, out, "tiles", tiles);
  native::setProperty(env, out, "winograd", winograd);
  return out;
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {FUNCTION("register", Register, 1)};
  napi_define_properties(env, exports, 1, functions);
  return exports;
}
