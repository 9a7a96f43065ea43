// Errors of TensorFlow's C API as C++ exceptions.
#pragma once
#include <stdexcept>
#include <string>

#include "api.h"

namespace native {

class TensorflowError : public std::runtime_error {
 public:
  TensorflowError(TF_Code code, const char* message) : std::runtime_error(message), code_(code) {}
  TF_Code code() const { return code_; }

 private:
  TF_Code code_;
};

class Status {
 public:
  Status() : status_(tf.NewStatus()) {}
  ~Status() { tf.DeleteStatus(status_); }
  Status(const Status&) = delete;
  operator TF_Status*() const { return status_; }
  TF_Code code() const { return tf.GetCode(status_); }
  const char* message() const { return tf.Message(status_); }
  void check() const {
    if (code() != TF_OK) throw TensorflowError(code(), message());
  }

 private:
  TF_Status* status_;
};

}  // namespace native
