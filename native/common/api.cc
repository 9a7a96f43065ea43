#include "api.h"

#include <mutex>
#include <stdexcept>

#include "library.h"

namespace native {

Tensorflow tf;

namespace {

void load(const std::vector<std::string>& libraries) {
  std::vector<void*> open;
  for (const std::string& path : libraries) open.push_back(openLibrary(path));
  const auto find = [&](const char* name) {
    for (size_t i = open.size(); i-- > 0;) {
      if (void* found = findFunction(open[i], name)) return found;
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
  keepLoaded(reinterpret_cast<const void*>(&loadTensorflow));
}

}  // namespace native
