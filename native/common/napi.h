// C++ wrapper of Node-API: C++ code throws exceptions, which functions called from JavaScript convert to JavaScript errors.
#pragma once
#include <node_api.h>

#include <string>
#include <vector>

#include "status.h"

namespace native {

struct Pending {};  // thrown if a JavaScript exception is already pending

inline void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (pending) throw Pending();
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  throw std::runtime_error(info && info->error_message ? info->error_message : "a call of Node's interface failed");
}

inline napi_value toText(napi_env env, const std::string& text) {
  napi_value out;
  check(env, napi_create_string_utf8(env, text.data(), text.size(), &out));
  return out;
}

inline std::string textOf(napi_env env, napi_value value) {
  size_t length = 0;
  check(env, napi_get_value_string_utf8(env, value, nullptr, 0, &length));
  std::string out(length, 0);
  check(env, napi_get_value_string_utf8(env, value, &out[0], length + 1, &length));
  return out;
}

inline bool isTrue(napi_env env, napi_value value) {
  bool out = false;
  check(env, napi_get_value_bool(env, value, &out));
  return out;
}

inline std::vector<napi_value> listOf(napi_env env, napi_value value) {
  uint32_t length = 0;
  check(env, napi_get_array_length(env, value, &length));
  std::vector<napi_value> out(length);
  for (uint32_t i = 0; i < length; i++) check(env, napi_get_element(env, value, i, &out[i]));
  return out;
}

inline std::vector<std::string> textsOf(napi_env env, napi_value value) {
  std::vector<std::string> out;
  for (napi_value text : listOf(env, value)) out.push_back(textOf(env, text));
  return out;
}

// Memory of a typed array.
struct View {
  const void* data = nullptr;
  size_t bytes = 0;
};

inline View viewOf(napi_env env, napi_value value) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  check(env, napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr));
  static const size_t width[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};  // in the order of napi_typedarray_type
  return {data, length * width[type]};
}

inline void setProperty(napi_env env, napi_value object, const char* key, napi_value value) {
  check(env, napi_set_named_property(env, object, key, value));
}

// A C++ value owned by JavaScript, deleted by its garbage collection.
template <class T>
napi_value toHandle(napi_env env, T value) {
  napi_value out;
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<T*>(data); };
  check(env, napi_create_external(env, new T(std::move(value)), finalize, nullptr, &out));
  return out;
}

template <class T>
T& handleOf(napi_env env, napi_value value) {
  void* data = nullptr;
  check(env, napi_get_value_external(env, value, &data));
  return *static_cast<T*>(data);
}

// A JavaScript error whose `code` is TensorFlow's name of the error code.
inline napi_value toError(napi_env env, const std::string& message, TF_Code code) {
  static const char* const names[] = {"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
                                      "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
                                      "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
                                      "UNAUTHENTICATED"};
  const size_t count = sizeof names / sizeof *names;
  napi_value error;
  check(env, napi_create_error(env, toText(env, names[code < count ? code : TF_UNKNOWN]), toText(env, message), &error));
  return error;
}

// Wraps a function that JavaScript calls with exactly `count` arguments.
using Arguments = std::vector<napi_value>;

template <napi_value (*function)(napi_env, const Arguments&), size_t count>
napi_value entry(napi_env env, napi_callback_info info) {
  size_t given = count;
  Arguments arguments(count);
  napi_get_cb_info(env, info, &given, arguments.data(), nullptr, nullptr);
  try {
    return function(env, arguments);
  } catch (const Pending&) {
  } catch (const TensorflowError& error) {
    napi_throw(env, toError(env, error.what(), error.code()));
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  }
  return nullptr;
}

}  // namespace native

#define FUNCTION(name, function, count) \
  {name, nullptr, native::entry<function, count>, nullptr, nullptr, nullptr, napi_enumerable, nullptr}
