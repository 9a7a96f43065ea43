// Keeps what TensorFlow's static initialisers write to standard error ("oneDNN custom operations are on …") off the screen.
// No setting of TensorFlow 2.21 reaches those messages, so the descriptor is turned aside while the library loads.
// An addon of its own, linked to nothing: it must be there before the addon that brings TensorFlow in.
#include <cstdio>
#include <string>

#include <node_api.h>
#include <unistd.h>

static int saved = -1;
static FILE* aside = nullptr;

// hold(): from now on file descriptor 2 of this process is a temporary file. Does nothing where that cannot be had.
static napi_value Hold(napi_env, napi_callback_info) {
  if (saved >= 0) return nullptr;
  aside = std::tmpfile();
  if (aside == nullptr) return nullptr;
  std::fflush(stderr);
  saved = dup(2);
  if (saved >= 0) dup2(fileno(aside), 2);
  return nullptr;
}

// release(): standard error is what it was; returns the text that was written meanwhile.
static napi_value Release(napi_env env, napi_callback_info) {
  std::string text;
  if (saved >= 0) {
    std::fflush(stderr);
    dup2(saved, 2);
    close(saved);
    saved = -1;
    std::rewind(aside);
    char part[4096];
    for (size_t n; (n = std::fread(part, 1, sizeof part, aside)) > 0;) text.append(part, n);
  }
  if (aside != nullptr) std::fclose(aside);
  aside = nullptr;
  napi_value result;
  napi_create_string_utf8(env, text.data(), text.size(), &result);
  return result;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "hold", NAPI_AUTO_LENGTH, Hold, nullptr, &function);
  napi_set_named_property(env, exports, "hold", function);
  napi_create_function(env, "release", NAPI_AUTO_LENGTH, Release, nullptr, &function);
  napi_set_named_property(env, exports, "release", function);
  return exports;
}
