// Queries NVIDIA's driver for the GPUs that are visible to this process. The driver is opened at run time, so that the addon
// loads on any machine. Declarations follow cuda.h, whose ABI is stable.
#include <dlfcn.h>

#include "../common/napi.h"

namespace native {
namespace {

using Result = int;  // CUresult, 0 is success
using Device = int;  // CUdevice

constexpr int CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76;  // CUdevice_attribute
constexpr int NO_DRIVER = -1;

struct Driver {
  Result (*init)(unsigned flags);
  Result (*version)(int* version);
  Result (*count)(int* count);
  Result (*device)(Device* device, int index);
  Result (*name)(char* name, int length, Device device);
  Result (*memory)(size_t* bytes, Device device);
  Result (*attribute)(int* value, int attribute, Device device);
  Result (*text)(Result error, const char** text);

  // Returns false if the library lacks a function.
  bool find(void* library) {
    const auto get = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      return function != nullptr;
    };
    return get(init, "cuInit") && get(version, "cuDriverGetVersion") && get(count, "cuDeviceGetCount") &&
           get(device, "cuDeviceGet") && get(name, "cuDeviceGetName") && get(memory, "cuDeviceTotalMem_v2") &&
           get(attribute, "cuDeviceGetAttribute") && get(text, "cuGetErrorString");
  }
};

napi_value toNumber(napi_env env, double number) {
  napi_value value;
  check(env, napi_create_double(env, number, &value));
  return value;
}

napi_value describe(napi_env env, const Driver& driver, int index) {
  Device device = 0;
  char name[256] = "";
  size_t bytes = 0;
  int major = 0, minor = 0;
  if (driver.device(&device, index) == 0) {
    driver.name(name, sizeof name - 1, device);
    driver.memory(&bytes, device);
    driver.attribute(&major, CAPABILITY_MAJOR, device);
    driver.attribute(&minor, CAPABILITY_MINOR, device);
  }
  napi_value out;
  check(env, napi_create_object(env, &out));
  setProperty(env, out, "name", toText(env, name));
  setProperty(env, out, "memory", toNumber(env, double(bytes)));
  setProperty(env, out, "capability", toNumber(env, major * 10 + minor));
  return out;
}

// probe() → {error, message, cuda, devices: {name, memory, capability}[]}; error: 0, −1 without a driver, or a CUresult;
// cuda: 12040 is 12.4; capability: 86 is 8.6. CUDA_VISIBLE_DEVICES is read at the first call.
napi_value Probe(napi_env env, const Arguments&) {
  Driver driver;
  int error = NO_DRIVER, version = 0, count = 0;
  const char* message = "libcuda.so.1 lacks functions of CUDA";
  void* library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    message = dlerror();
  } else if (driver.find(library)) {
    driver.version(&version);
    error = driver.init(0);
    if (error == 0) error = driver.count(&count);
    if (error == 0) message = "";
    else if (driver.text(error, &message) != 0) message = "unknown error";
  }
  napi_value out, devices;
  check(env, napi_create_object(env, &out));
  check(env, napi_create_array(env, &devices));
  setProperty(env, out, "error", toNumber(env, error));
  setProperty(env, out, "message", toText(env, message));
  setProperty(env, out, "cuda", toNumber(env, version));
  setProperty(env, out, "devices", devices);
  for (int i = 0; error == 0 && i < count; i++) check(env, napi_set_element(env, devices, i, describe(env, driver, i)));
  return out;
}

}  // namespace
}  // namespace native

NAPI_MODULE_INIT() {
  using namespace native;
  const napi_property_descriptor functions[] = {FUNCTION("probe", Probe, 0)};
  napi_define_properties(env, exports, 1, functions);
  return exports;
}
