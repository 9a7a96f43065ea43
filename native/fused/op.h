// A little C++ over TensorFlow's C interface for ops and kernels.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"

namespace fused {

class Status {
 public:
  Status() : status_(TF_NewStatus()) {}
  ~Status() { TF_DeleteStatus(status_); }
  Status(const Status&) = delete;
  operator TF_Status*() { return status_; }
  void check() const {
    if (TF_GetCode(status_) != TF_OK) throw std::runtime_error(TF_Message(status_));
  }

 private:
  TF_Status* status_;
};

// An input or output of a running kernel, float32.
class Tensor {
 public:
  explicit Tensor(TF_Tensor* tensor) : tensor_(tensor) {}
  ~Tensor() { TF_DeleteTensor(tensor_); }
  Tensor(Tensor&& other) : tensor_(other.tensor_) { other.tensor_ = nullptr; }
  Tensor(const Tensor&) = delete;

  float* data() const { return static_cast<float*>(TF_TensorData(tensor_)); }
  long size() const { return TF_TensorElementCount(tensor_); }
  int rank() const { return TF_NumDims(tensor_); }
  // The last dimension, and the product of the others.
  long channels() const { return rank() == 0 ? 1 : TF_Dim(tensor_, rank() - 1); }
  long rows() const { return channels() == 0 ? 0 : size() / channels(); }
  std::vector<int64_t> shape() const {
    std::vector<int64_t> dims;
    for (int i = 0; i < rank(); i++) dims.push_back(TF_Dim(tensor_, i));
    return dims;
  }

  static Tensor input(TF_OpKernelContext* context, int i) {
    Status status;
    TF_Tensor* tensor = nullptr;
    TF_GetInput(context, i, &tensor, status);
    status.check();
    return Tensor(tensor);
  }

  // With `reuse`, in the memory of that input when nothing else needs it.
  static Tensor output(TF_OpKernelContext* context, int i, const std::vector<int64_t>& shape, int reuse = -1) {
    Status status;
    TF_Tensor* tensor;
    if (reuse >= 0) {
      tensor = TF_ForwardInputOrAllocateOutput(context, &reuse, 1, i, shape.data(), shape.size(), nullptr, status);
    } else {
      size_t bytes = sizeof(float);
      for (int64_t d : shape) bytes *= d;
      tensor = TF_AllocateOutput(context, i, TF_FLOAT, shape.data(), shape.size(), bytes, status);
    }
    status.check();
    return Tensor(tensor);
  }

 private:
  TF_Tensor* tensor_;
};

// Attributes of a node.
inline float floatAttribute(TF_OpKernelConstruction* node, const char* name) {
  Status status;
  float value = 0;
  TF_OpKernelConstruction_GetAttrFloat(node, name, &value, status);
  status.check();
  return value;
}

inline std::vector<int64_t> intsAttribute(TF_OpKernelConstruction* node, const char* name) {
  Status status;
  int32_t length = 0, bytes = 0;
  TF_OpKernelConstruction_GetAttrSize(node, name, &length, &bytes, status);
  status.check();
  std::vector<int64_t> values(length);
  TF_OpKernelConstruction_GetAttrInt64List(node, name, values.data(), length, status);
  status.check();
  return values;
}

// Registers Kernel as the CPU kernel of op Kernel::NAME. Kernel(TF_OpKernelConstruction*), compute(TF_OpKernelContext*).
template <class Kernel>
void registerKernel() {
  const auto create = [](TF_OpKernelConstruction* node) -> void* {
    try {
      return new Kernel(node);
    } catch (const std::exception& error) {
      Status status;
      TF_SetStatus(status, TF_INVALID_ARGUMENT, error.what());
      TF_OpKernelConstruction_Failure(node, status);
      return nullptr;
    }
  };
  const auto compute = [](void* kernel, TF_OpKernelContext* context) {
    try {
      static_cast<Kernel*>(kernel)->compute(context);
    } catch (const std::exception& error) {
      Status status;
      TF_SetStatus(status, TF_INTERNAL, (std::string(Kernel::NAME) + ": " + error.what()).c_str());
      TF_OpKernelContext_Failure(context, status);
    }
  };
  const auto destroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
  Status status;
  TF_RegisterKernelBuilder(Kernel::NAME, TF_NewKernelBuilder(Kernel::NAME, "CPU", create, compute, destroy), status);
  status.check();
}

struct OpDefinition {
  const char* name;
  std::vector<const char*> inputs, outputs, attributes;
  void (*shapes)(TF_ShapeInferenceContext*, TF_Status*);
};

// Specifications as in REGISTER_OP: "x: float", "epsilon: float".
inline void registerOp(const OpDefinition& op) {
  TF_OpDefinitionBuilder* builder = TF_NewOpDefinitionBuilder(op.name);
  for (const char* spec : op.attributes) TF_OpDefinitionBuilderAddAttr(builder, spec);
  for (const char* spec : op.inputs) TF_OpDefinitionBuilderAddInput(builder, spec);
  for (const char* spec : op.outputs) TF_OpDefinitionBuilderAddOutput(builder, spec);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(builder, op.shapes);
  Status status;
  TF_RegisterOpDefinition(builder, status);
  status.check();
}

// For shape functions: output i has the shape of input j.
inline void sameShape(TF_ShapeInferenceContext* context, int i, int j, TF_Status* status) {
  TF_ShapeHandle* shape = TF_NewShapeHandle();
  TF_ShapeInferenceContextGetInput(context, j, shape, status);
  if (TF_GetCode(status) == TF_OK) TF_ShapeInferenceContextSetOutput(context, i, shape, status);
  TF_DeleteShapeHandle(shape);
}

}  // namespace fused
