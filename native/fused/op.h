// C++ wrapper of TensorFlow's C API for ops and kernels.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "../common/status.h"
#include "loops.h"

namespace fused {

using native::Status;
using native::tf;

// TF_DataType of an element type.
template <class E>
constexpr TF_DataType TYPE = TF_FLOAT;
template <>
inline constexpr TF_DataType TYPE<Bfloat16> = TF_BFLOAT16;

// An input or output of a running kernel with elements of type E.
template <class E = float>
class Tensor {
 public:
  explicit Tensor(TF_Tensor* tensor) : tensor_(tensor) {}
  ~Tensor() { tf.DeleteTensor(tensor_); }
  Tensor(Tensor&& other) : tensor_(other.tensor_) { other.tensor_ = nullptr; }
  Tensor(const Tensor&) = delete;

  E* data() const { return static_cast<E*>(tf.TensorData(tensor_)); }
  long size() const { return tf.TensorElementCount(tensor_); }
  int rank() const { return tf.NumDims(tensor_); }
  // Size of the last dimension, and product of the others.
  long channels() const { return rank() == 0 ? 1 : tf.Dim(tensor_, rank() - 1); }
  long rows() const { return channels() == 0 ? 0 : size() / channels(); }
  std::vector<int64_t> shape() const {
    std::vector<int64_t> dims;
    for (int i = 0; i < rank(); i++) dims.push_back(tf.Dim(tensor_, i));
    return dims;
  }

  static Tensor input(TF_OpKernelContext* context, int i) {
    Status status;
    TF_Tensor* tensor = nullptr;
    tf.GetInput(context, i, &tensor, status);
    status.check();
    return Tensor(tensor);
  }

  // reuse: index of an input whose buffer is reused if nothing else refers to it.
  static Tensor output(TF_OpKernelContext* context, int i, const std::vector<int64_t>& shape, int reuse = -1) {
    Status status;
    TF_Tensor* tensor;
    if (reuse >= 0) {
      tensor = tf.ForwardInputOrAllocateOutput(context, &reuse, 1, i, shape.data(), shape.size(), nullptr, status);
    } else {
      size_t bytes = sizeof(E);
      for (int64_t d : shape) bytes *= d;
      tensor = tf.AllocateOutput(context, i, TYPE<E>, shape.data(), shape.size(), bytes, status);
    }
    status.check();
    return Tensor(tensor);
  }

 private:
  TF_Tensor* tensor_;
};

// For the checks of a kernel's inputs.
inline void require(bool condition, const char* what) {
  if (!condition) throw std::invalid_argument(what);
}

// Attributes of a node.
inline float floatAttribute(TF_OpKernelConstruction* node, const char* name) {
  Status status;
  float value = 0;
  tf.OpKernelConstruction_GetAttrFloat(node, name, &value, status);
  status.check();
  return value;
}

inline bool boolAttribute(TF_OpKernelConstruction* node, const char* name) {
  Status status;
  unsigned char value = 0;
  tf.OpKernelConstruction_GetAttrBool(node, name, &value, status);
  status.check();
  return value != 0;
}

inline std::vector<int64_t> intsAttribute(TF_OpKernelConstruction* node, const char* name) {
  Status status;
  int32_t length = 0, bytes = 0;
  tf.OpKernelConstruction_GetAttrSize(node, name, &length, &bytes, status);
  status.check();
  std::vector<int64_t> values(length);
  tf.OpKernelConstruction_GetAttrInt64List(node, name, values.data(), length, status);
  status.check();
  return values;
}

// Registers a class as the CPU kernel of op Kernel::NAME with attribute T = Kernel::Element. It needs a constructor
// Kernel(TF_OpKernelConstruction*) and a method compute(TF_OpKernelContext*).
template <class Kernel>
void registerKernel() {
  const auto create = [](TF_OpKernelConstruction* node) -> void* {
    try {
      return new Kernel(node);
    } catch (const std::exception& error) {
      Status status;
      tf.SetStatus(status, TF_INVALID_ARGUMENT, error.what());
      tf.OpKernelConstruction_Failure(node, status);
      return nullptr;
    }
  };
  const auto compute = [](void* kernel, TF_OpKernelContext* context) {
    try {
      static_cast<Kernel*>(kernel)->compute(context);
    } catch (const std::exception& error) {
      Status status;
      tf.SetStatus(status, TF_INTERNAL, (std::string(Kernel::NAME) + ": " + error.what()).c_str());
      tf.OpKernelContext_Failure(context, status);
    }
  };
  const auto destroy = [](void* kernel) { delete static_cast<Kernel*>(kernel); };
  Status status;
  TF_KernelBuilder* builder = tf.NewKernelBuilder(Kernel::NAME, "CPU", create, compute, destroy);
  tf.KernelBuilder_TypeConstraint(builder, "T", TYPE<typename Kernel::Element>, status);
  status.check();
  tf.RegisterKernelBuilder(Kernel::NAME, builder, status);
  status.check();
}

struct OpDefinition {
  const char* name;
  std::vector<const char*> inputs, outputs, attributes;
  void (*shapes)(TF_ShapeInferenceContext*, TF_Status*);
};

// Specifications as in REGISTER_OP: "x: float", "epsilon: float".
inline void registerOp(const OpDefinition& op) {
  TF_OpDefinitionBuilder* builder = tf.NewOpDefinitionBuilder(op.name);
  for (const char* spec : op.attributes) tf.OpDefinitionBuilderAddAttr(builder, spec);
  for (const char* spec : op.inputs) tf.OpDefinitionBuilderAddInput(builder, spec);
  for (const char* spec : op.outputs) tf.OpDefinitionBuilderAddOutput(builder, spec);
  tf.OpDefinitionBuilderSetShapeInferenceFunction(builder, op.shapes);
  Status status;
  tf.RegisterOpDefinition(builder, status);
  status.check();
}

// For shape functions: output i has the shape of input j.
inline void sameShape(TF_ShapeInferenceContext* context, int i, int j, TF_Status* status) {
  TF_ShapeHandle* shape = tf.NewShapeHandle();
  tf.ShapeInferenceContextGetInput(context, j, shape, status);
  if (tf.GetCode(status) == TF_OK) tf.ShapeInferenceContextSetOutput(context, i, shape, status);
  tf.DeleteShapeHandle(shape);
}

// For shape functions: the shape of the output is not known.
inline void unknownShape(TF_ShapeInferenceContext* context, TF_Status* status) {
  tf.ShapeInferenceContextSetUnknownShape(context, status);
}

// Dimensions [from, to) of an input.
struct Dimensions {
  int input, from, to;
};

// For shape functions: output i has the dimensions a, then b.
inline void joinedShape(TF_ShapeInferenceContext* context, int i, Dimensions a, Dimensions b, TF_Status* status) {
  TF_ShapeHandle *front = tf.NewShapeHandle(), *back = tf.NewShapeHandle(), *joined = tf.NewShapeHandle();
  const auto ok = [&] { return tf.GetCode(status) == TF_OK; };
  const auto get = [&](const Dimensions& d, TF_ShapeHandle* shape) {
    if (ok()) tf.ShapeInferenceContextGetInput(context, d.input, shape, status);
    if (ok()) tf.ShapeInferenceContextSubshape(context, shape, d.from, d.to, shape, status);
  };
  get(a, front);
  get(b, back);
  if (ok()) tf.ShapeInferenceContextConcatenateShapes(context, front, back, joined, status);
  if (ok()) tf.ShapeInferenceContextSetOutput(context, i, joined, status);
  for (TF_ShapeHandle* shape : {front, back, joined}) tf.DeleteShapeHandle(shape);
}

}  // namespace fused
