// TensorFlow's C interface as a table of functions that is filled at run time from libraries given by their full paths. The
// addons link to nothing of TensorFlow, so one binary serves any build of it.
#pragma once
#include <string>
#include <vector>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"

namespace native {

// Every function of TensorFlow that an addon calls, without TF_ in front.
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
  F(GetRegisteredKernelsForOp) F(GetAllOpList)                                                                       \
  /* ops of our own and their kernels */                                                                             \
  F(NewOpDefinitionBuilder) F(OpDefinitionBuilderAddAttr) F(OpDefinitionBuilderAddInput)                             \
  F(OpDefinitionBuilderAddOutput) F(OpDefinitionBuilderSetShapeInferenceFunction) F(RegisterOpDefinition)            \
  F(NewShapeHandle) F(DeleteShapeHandle) F(NewDimensionHandle) F(DeleteDimensionHandle)                              \
  F(ShapeInferenceContextGetInput) F(ShapeInferenceContextSetOutput) F(ShapeInferenceContextDim)                     \
  F(ShapeInferenceContextSubshape) F(ShapeInferenceContextVectorFromSize)                                            \
  F(ShapeInferenceContextConcatenateShapes) F(DimensionHandleValueKnown) F(DimensionHandleValue)                     \
  F(NewKernelBuilder) F(KernelBuilder_TypeConstraint) F(RegisterKernelBuilder) F(OpKernelConstruction_Failure)       \
  F(OpKernelConstruction_GetAttrFloat) F(OpKernelConstruction_GetAttrSize)                                           \
  F(OpKernelConstruction_GetAttrInt64List) F(OpKernelContext_Failure) F(NumInputs) F(GetInput) F(AllocateOutput)     \
  F(ForwardInputOrAllocateOutput)

struct Tensorflow {
#define FIELD(name) decltype(&TF_##name) name = nullptr;
  TENSORFLOW_FUNCTIONS(FIELD)
#undef FIELD
};

// The table; its functions are there after loadTensorflow.
extern Tensorflow tf;

// Opens the libraries one after the other (each before those that need it) and fills the table. From the second call of a
// process on it does nothing. The libraries, and this addon, stay loaded until the process ends: threads of TensorFlow and
// registered kernels would outlive a worker thread of Node that unloads its addons.
// Throws std::runtime_error with the loader's own words.
void loadTensorflow(const std::vector<std::string>& libraries);

}  // namespace native
