// TensorFlow's C API as a table of functions that is filled at run time from libraries given by their full paths. The addons
// are not linked to TensorFlow, so that one binary works with any build of it.
#pragma once
#include <string>
#include <vector>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"

namespace native {

// All functions of TensorFlow that the addons call, without the prefix TF_.
#define TENSORFLOW_FUNCTIONS(F)                                                                                      \
  /* errors, buffers, tensors */                                                                                     \
  F(Version) F(NewStatus) F(DeleteStatus) F(SetStatus) F(GetCode) F(Message) F(NewBuffer) F(DeleteBuffer)            \
  F(AllocateTensor) F(DeleteTensor) F(TensorType) F(NumDims) F(Dim) F(TensorByteSize) F(TensorData)                  \
  F(TensorElementCount) F(DataTypeSize)                                                                              \
  /* graphs and sessions */                                                                                          \
  F(NewGraph) F(DeleteGraph) F(NewImportGraphDefOptions) F(DeleteImportGraphDefOptions)                              \
  F(ImportGraphDefOptionsSetPrefix) F(ImportGraphDefOptionsSetDefaultDevice) F(GraphImportGraphDef)                  \
  F(GraphOperationByName) F(OperationNumOutputs) F(OperationOutputType) F(GraphGetTensorNumDims)                     \
  F(GraphGetTensorShape) F(NewSessionOptions) F(DeleteSessionOptions) F(SetConfig) F(SetTarget) F(NewSession)        \
  F(CloseSession) F(DeleteSession) F(SessionRun) F(SessionListDevices) F(DeleteDeviceList) F(DeviceListCount)        \
  F(DeviceListName) F(DeviceListType) F(DeviceListMemoryBytes) F(GetAllRegisteredKernels)                            \
  F(GetRegisteredKernelsForOp) F(GetAllOpList) F(NewServer) F(ServerStart) F(ServerTarget)                           \
  /* custom ops and their kernels    */                                                                             \
  F(NewOpDefinitionBuilder) F(OpDefinitionBuilderAddAttr) F(OpDefinitionBuilderAddInput)                             \
  F(OpDefinitionBuilderAddOutput) F(OpDefinitionBuilderSetShapeInferenceFunction) F(RegisterOpDefinition)            \
  F(NewShapeHandle) F(DeleteShapeHandle) F(NewDimensionHandle) F(DeleteDimensionHandle)                              \
  F(ShapeInferenceContextGetInput) F(ShapeInferenceContextSetOutput) F(ShapeInferenceContextDim)                     \
  F(ShapeInferenceContextSetUnknownShape)                                                                            \
  F(ShapeInferenceContextSubshape) F(ShapeInferenceContextVectorFromSize)                                            \
  F(ShapeInferenceContextConcatenateShapes) F(DimensionHandleValueKnown) F(DimensionHandleValue)                     \
  F(NewKernelBuilder) F(KernelBuilder_TypeConstraint) F(RegisterKernelBuilder) F(OpKernelConstruction_Failure)       \
  F(OpKernelConstruction_GetAttrBool) F(OpKernelConstruction_GetAttrFloat)                                           \
  F(OpKernelConstruction_GetAttrSize) F(OpKernelConstruction_GetAttrInt64List) F(OpKernelContext_Failure)              \
  F(NumInputs) F(GetInput) F(AllocateOutput) F(ForwardInputOrAllocateOutput)

struct Tensorflow {
#define FIELD(name) decltype(&TF_##name) name = nullptr;
  TENSORFLOW_FUNCTIONS(FIELD)
#undef FIELD
};

// The table, filled by loadTensorflow.
extern Tensorflow tf;

// Opens the libraries in order (each before those that depend on it) and fills the table; further calls in the process have no
// effect. The libraries and this addon are never unloaded: threads of TensorFlow and registered kernels outlive a worker
// thread of Node, which unloads its addons. Throws std::runtime_error with the message of the dynamic loader.
void loadTensorflow(const std::vector<std::string>& libraries);

}  // namespace native
