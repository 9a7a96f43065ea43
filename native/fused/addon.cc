// Registers the TensorFlow ops of this project.
#include <mutex>

#include "../common/napi.h"

namespace fused {
void registerBatchNormSilu();
}

// register(libraries: string[]): full paths of TensorFlow's libraries, each before those that depend on it. No effect if
// another thread of the process has registered the ops.
static napi_value Register(napi_env env, const native::Arguments& a) {
  native::loadTensorflow(native::textsOf(env, a[0]));
  static std::once_flag once;
  std::call_once(once, fused::registerBatchNormSilu);
  return nullptr;
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {FUNCTION("register", Register, 1)};
  napi_define_properties(env, exports, 1, functions);
  return exports;
}
