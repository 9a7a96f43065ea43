#include "api.h"

#include <dlfcn.h>

#include <mutex>
#include <stdexcept>

namespace native {

Tensorflow tf;

namespace {

// Increments the reference count of the library that contains this function, so that it is never unloaded.
void keepThisAddonLoaded() {
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(&keepThisAddonLoaded), &info) != 0) dlopen(info.dli_fname, RTLD_NOW);
}

void load(const std::vector<std::string>& libraries) {
  std::vector<void*> open;
  for (const std::string& path : libraries) {
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw std::runtime_error(dlerror());
    open.push_back(library);
  }
  const auto find = [&](const char* name) {
    for (size_t i = open.size(); i-- > 0;) {
      if (void* found = dlsym(open[i], name)) return found;
    }
    throw std::runtime_error(std::string("TensorFlow's libraries have no function ") + name);
  };
  Tensorflow table;
#define FILL(name) table.name = reinterpret_cast<decltype(table.name)>(find("TF_" #name));
  TENSORFLOW_FUNCTIONS(FILL)
#undef FILL
  tf = table;
}

}  // namespace

void loadTensorflow(const std::vector<std::string>& libraries) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  if (tf.Version != nullptr) return;
  load(libraries);
  keepThisAddonLoaded();
}

}  // namespace native
