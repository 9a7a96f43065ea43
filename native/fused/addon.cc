// TensorFlow ops of this project, registered with the TensorFlow of this process when the addon is loaded.
#include <node_api.h>

#include <exception>

namespace fused {
void registerBatchNormSilu();
}

NAPI_MODULE_INIT() {
  try {
    fused::registerBatchNormSilu();
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  }
  return exports;
}
