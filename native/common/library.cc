#include "library.h"

#include <stdexcept>

#if defined(_WIN32)

#include <windows.h>

namespace native {
namespace {

std::wstring toWide(const std::string& text) {
  std::wstring wide(MultiByteToWideChar(CP_UTF8, 0, text.data(), text.size(), nullptr, 0), 0);
  MultiByteToWideChar(CP_UTF8, 0, text.data(), text.size(), &wide[0], wide.size());
  return wide;
}

// Message of a system error. A missing library is reported for the file as well as for those that it depends on.
std::string messageOf(DWORD code) {
  char text[512];
  DWORD length = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, nullptr, code, 0, text, sizeof text, nullptr);
  while (length > 0 && static_cast<unsigned char>(text[length - 1]) <= ' ') length--;
  return std::string(text, length) + " (error " + std::to_string(code) + ")";
}

}  // namespace

void* openLibrary(const std::string& path) {
  HMODULE library = LoadLibraryExW(toWide(path).c_str(), nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
  if (library == nullptr) throw std::runtime_error(path + ": " + messageOf(GetLastError()));
  return library;
}

void* findFunction(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}

void keepLoaded(const void* function) {
  HMODULE library;
  GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN, static_cast<LPCWSTR>(function), &library);
}

}  // namespace native

#else

#include <dlfcn.h>

namespace native {

void* openLibrary(const std::string& path) {
  // Functions are bound at their first call: binding all of TensorFlow's at once takes 0.1 s longer.
  void* library = dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) throw std::runtime_error(dlerror());
  return library;
}

void* findFunction(void* library, const char* name) { return dlsym(library, name); }

void keepLoaded(const void* function) {
  Dl_info info;
  if (dladdr(const_cast<void*>(function), &info) != 0) dlopen(info.dli_fname, RTLD_NOW);
}

}  // namespace native

#endif
