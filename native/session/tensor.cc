#include "tensor.h"

#include <cstring>

namespace native {

Tensor tensorOf(napi_env env, napi_value type, napi_value shape, napi_value values) {
  int32_t number;
  check(env, napi_get_value_int32(env, type, &number));
  const auto dtype = static_cast<TF_DataType>(number);
  std::vector<int64_t> dims;
  size_t bytes = tf.DataTypeSize(dtype);
  for (napi_value value : listOf(env, shape)) {
    int64_t n;
    check(env, napi_get_value_int64(env, value, &n));
    dims.push_back(n);
    bytes *= n;
  }
  const View from = viewOf(env, values);
  if (from.bytes != bytes) {
    throw std::runtime_error("a fed array has " + std::to_string(from.bytes) + " bytes, but its shape requires " +
                             std::to_string(bytes));
  }
  Tensor tensor(tf.AllocateTensor(dtype, dims.data(), dims.size(), bytes));
  if (!tensor) throw TensorflowError(TF_RESOURCE_EXHAUSTED, "there is no memory for a fed tensor");
  if (bytes > 0) std::memcpy(tf.TensorData(tensor.get()), from.data, bytes);
  return tensor;
}

napi_value toValue(napi_env env, Tensor tensor) {
  napi_value out, dtype, shape, buffer;
  check(env, napi_create_object(env, &out));
  check(env, napi_create_int32(env, tf.TensorType(tensor.get()), &dtype));
  const int rank = tf.NumDims(tensor.get());
  check(env, napi_create_array_with_length(env, rank, &shape));
  for (int i = 0; i < rank; i++) {
    napi_value n;
    check(env, napi_create_int64(env, tf.Dim(tensor.get(), i), &n));
    check(env, napi_set_element(env, shape, i, n));
  }
  void* copy;
  const size_t bytes = tf.TensorByteSize(tensor.get());
  check(env, napi_create_arraybuffer(env, bytes, &copy, &buffer));
  if (bytes > 0) std::memcpy(copy, tf.TensorData(tensor.get()), bytes);
  setProperty(env, out, "dtype", dtype);
  setProperty(env, out, "shape", shape);
  setProperty(env, out, "buffer", buffer);
  return out;
}

}  // namespace native
