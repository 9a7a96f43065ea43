// Values between JavaScript and TensorFlow, always copied. What is fed: a variable that is assigned a fed value keeps that
// very buffer, so it must never be memory of JavaScript. What is fetched: it may be the memory of a variable, to which
// JavaScript could write; and memory of TensorFlow's own that is handed out is freed only when the event loop turns.
#pragma once
#include <memory>

#include "../common/napi.h"

namespace native {

struct DeleteTensor {
  void operator()(TF_Tensor* tensor) const { tf.DeleteTensor(tensor); }
};
using Tensor = std::unique_ptr<TF_Tensor, DeleteTensor>;

// type: number of an element type; shape: number[]; values: a typed array
Tensor tensorOf(napi_env env, napi_value type, napi_value shape, napi_value values);

// {dtype: number, shape: number[], buffer: ArrayBuffer}; the tensor is freed
napi_value toValue(napi_env env, Tensor tensor);

}  // namespace native
