// Conversion of values between JavaScript and TensorFlow, always by copying. Inputs: a variable that is assigned an input
// keeps its buffer, which therefore must not be memory of JavaScript. Outputs: a buffer may be the memory of a variable, which
// JavaScript could modify; and external buffers are freed only in a later iteration of the event loop.
#pragma once
#include <memory>

#include "../common/napi.h"

namespace native {

struct DeleteTensor {
  void operator()(TF_Tensor* tensor) const { tf.DeleteTensor(tensor); }
};
using Tensor = std::unique_ptr<TF_Tensor, DeleteTensor>;

// type: TF_DataType as a number; shape: number[]; values: a typed array
Tensor tensorOf(napi_env env, napi_value type, napi_value shape, napi_value values);

// {dtype: number, shape: number[], buffer: ArrayBuffer}; the tensor is freed
napi_value toValue(napi_env env, Tensor tensor);

}  // namespace native
