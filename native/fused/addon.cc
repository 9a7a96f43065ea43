// Registers the TensorFlow ops of this project.
#include <mutex>

#include "../common/napi.h"
#include "tiles.h"
#include "winograd.h"

namespace fused {
void registerAlignedOverlaps();
void registerBatchNormSilu();
void registerConvFilterGrad();
void registerProductConv();
void registerTileFilterGrad();
void registerWinograd();
}  // namespace fused

// register(libraries: string[]) → {tiles, winograd, products: boolean}: whether ConvFilterGrad has a kernel in bfloat16, which needs
// AMX; whether WinogradConv, its gradients and ProductConv are registered, which need AVX-512 or AVX2; whether ProductConv is faster
// than oneDNN. libraries: full paths of TensorFlow's, each before those that depend on it. Registers once in a process.
static napi_value Register(napi_env env, const native::Arguments& a) {
  native::loadTensorflow(native::textsOf(env, a[0]));
  static std::once_flag once;
  std::call_once(once, [] {
    fused::registerAlignedOverlaps();
    fused::registerBatchNormSilu();
    fused::registerConvFilterGrad();
    if (fused::hasWinograd()) {
      fused::registerWinograd();
      fused::registerProductConv();
    }
    if (fused::hasTiles()) fused::registerTileFilterGrad();
  });
  napi_value out;
  native::check(env, napi_create_object(env, &out));
  const auto set = [&](const char* name, bool value) {
    napi_value boolean;
    native::check(env, napi_get_boolean(env, value, &boolean));
    native::setProperty(env, out, name, boolean);
  };
  set("tiles", fused::hasTiles());
  set("winograd", fused::hasWinograd());
  set("products", fused::needsProductConv());
  return out;
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {FUNCTION("register", Register, 1)};
  napi_define_properties(env, exports, 1, functions);
  return exports;
}
