// TensorFlow sessions for Node, by TensorFlow's C API. The types are in src/graph/tensorflow.ts.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>

#if defined(__linux__)
#include <malloc.h>
#endif

#include "../common/napi.h"
#include "load.h"
#include "run.h"
#include "server.h"

namespace native {
namespace {

// Sets an environment variable of the process unless it is set.
void setIfAbsent(const char* name, const char* value) {
#if defined(_WIN32)
  if (std::getenv(name) == nullptr) _putenv_s(name, value);
#else
  setenv(name, value, 0);
#endif
}

// Settings of the process, unless set by the user. Set here because process.env of a worker thread of Node is a copy.
void prepare(bool gpu) {
  // Of a GPU's messages only errors. In a cluster TensorFlow reports each failed connection in several lines and again as the status
  // of the run; without a GPU, at the level ERROR, that oneDNN has no kernel for the processor and another one is used.
  setIfAbsent("TF_CPP_MIN_LOG_LEVEL", gpu && std::getenv("TF_CONFIG") == nullptr ? "2" : "3");
#if defined(__GLIBC__)
  // The default, eight heaps a core, keeps 3 to 5 % more memory in training and validation.
  if (std::getenv("MALLOC_ARENA_MAX") == nullptr) mallopt(M_ARENA_MAX, std::max(1u, std::thread::hardware_concurrency()));
#endif
}

// loadAhead(libraries: string[], gpu: boolean): starts to load them in another thread
napi_value LoadAhead(napi_env env, const Arguments& a) {
  prepare(isTrue(env, a[1]));
  loadAhead(textsOf(env, a[0]));
  return nullptr;
}

// load(libraries: string[], gpu: boolean) → {version, messages}; messages is the output of the libraries to standard error
napi_value Load(napi_env env, const Arguments& a) {
  prepare(isTrue(env, a[1]));
  const std::string messages = loadCaptured(textsOf(env, a[0]));
  napi_value out;
  check(env, napi_create_object(env, &out));
  setProperty(env, out, "messages", toText(env, messages));
  setProperty(env, out, "version", toText(env, tf.Version()));
  return out;
}

// open(config: Uint8Array, target: string, concurrent: boolean) → session
napi_value Open(napi_env env, const Arguments& a) {
  const View config = viewOf(env, a[0]);
  return toHandle(env, std::make_shared<Session>(config.data, config.bytes, textOf(env, a[1]), isTrue(env, a[2])));
}

Session& openSession(napi_env env, napi_value value) {
  const SessionRef& session = handleOf<SessionRef>(env, value);
  if (!session) throw std::runtime_error("the session was closed");
  return *session;
}

// close(session): memory is freed immediately, or at the end of the current run
napi_value Close(napi_env env, const Arguments& a) {
  handleOf<SessionRef>(env, a[0]).reset();
  return nullptr;
}

// add(session, graphDef: Uint8Array, prefix: string, device: string)
napi_value Add(napi_env env, const Arguments& a) {
  const View def = viewOf(env, a[1]);
  openSession(env, a[0]).add(def.data, def.bytes, textOf(env, a[2]), textOf(env, a[3]));
  return nullptr;
}

// Element type and shape of an output: {dtype, shape}; a dimension is −1 if unknown, the shape null if the rank is unknown.
napi_value typeOf(napi_env env, const Session& session, TF_Output output) {
  const Status status;
  const int rank = tf.GraphGetTensorNumDims(session.graph(), output, status);
  status.check();
  std::vector<int64_t> dims(rank < 0 ? 0 : rank);
  tf.GraphGetTensorShape(session.graph(), output, dims.data(), dims.size(), status);
  if (rank >= 0) status.check();
  napi_value out, dtype, shape;
  check(env, napi_create_object(env, &out));
  check(env, napi_create_int32(env, tf.OperationOutputType(output), &dtype));
  check(env, rank < 0 ? napi_get_null(env, &shape) : napi_create_array_with_length(env, rank, &shape));
  for (size_t i = 0; i < dims.size(); i++) {
    napi_value n;
    check(env, napi_create_int64(env, dims[i], &n));
    check(env, napi_set_element(env, shape, i, n));
  }
  setProperty(env, out, "dtype", dtype);
  setProperty(env, out, "shape", shape);
  return out;
}

// plan(session, feeds: string[], fetches: string[], targets: string[]) → {plan, feeds: {dtype, shape}[]}
napi_value MakePlan(napi_env env, const Arguments& a) {
  const Session& session = openSession(env, a[0]);
  auto plan = std::make_shared<Plan>();
  plan->session = handleOf<SessionRef>(env, a[0]);
  for (const std::string& name : textsOf(env, a[1])) plan->feeds.push_back(session.output(name));
  for (const std::string& name : textsOf(env, a[2])) plan->fetches.push_back(session.output(name));
  for (const std::string& name : textsOf(env, a[3])) plan->targets.push_back(session.operation(name));
  napi_value out, feeds;
  check(env, napi_create_object(env, &out));
  check(env, napi_create_array_with_length(env, plan->feeds.size(), &feeds));
  for (size_t i = 0; i < plan->feeds.size(); i++)
    check(env, napi_set_element(env, feeds, i, typeOf(env, session, plan->feeds[i])));
  setProperty(env, out, "feeds", feeds);
  setProperty(env, out, "plan", toHandle<PlanRef>(env, plan));
  return out;
}

// prepare(plan, types: number[], shapes: number[][], values: TypedArray[]) → run; values are copied
napi_value Prepare(napi_env env, const Arguments& a) {
  return toHandle(env, std::make_shared<Run>(env, handleOf<PlanRef>(env, a[0]), a[1], a[2], a[3]));
}

// run(run) → {dtype, shape, buffer}[], synchronously. A run can be executed once.
napi_value RunHere(napi_env env, const Arguments& a) {
  Run& run = *handleOf<std::shared_ptr<Run>>(env, a[0]);
  run.execute();
  return run.results(env);
}

// runApart(run) → a promise of the same result, executed on another thread
napi_value RunApart(napi_env env, const Arguments& a) { return runApart(env, handleOf<std::shared_ptr<Run>>(env, a[0])); }

// discard(run): frees the inputs of a run that will not be executed
napi_value Discard(napi_env env, const Arguments& a) {
  handleOf<std::shared_ptr<Run>>(env, a[0])->discard();
  return nullptr;
}

// finish(): to be called before the process ends
napi_value Finish(napi_env, const Arguments&) {
  finishLoading();
  finishRuns();
  return nullptr;
}

// serve(definition: Uint8Array, address: string) → target
napi_value Serve(napi_env env, const Arguments& a) {
  const View definition = viewOf(env, a[0]);
  return toText(env, startServer(definition.data, definition.bytes, textOf(env, a[1])));
}

// devices(session) → {name, type, memory}[], memory in bytes
napi_value Devices(napi_env env, const Arguments& a) {
  const Status status;
  const std::unique_ptr<TF_DeviceList, decltype(tf.DeleteDeviceList)> devices(
      tf.SessionListDevices(openSession(env, a[0]).get(), status), tf.DeleteDeviceList);
  status.check();
  napi_value out;
  check(env, napi_create_array(env, &out));
  for (int i = 0; i < tf.DeviceListCount(devices.get()); i++) {
    napi_value one, memory;
    check(env, napi_create_object(env, &one));
    setProperty(env, one, "name", toText(env, tf.DeviceListName(devices.get(), i, status)));
    setProperty(env, one, "type", toText(env, tf.DeviceListType(devices.get(), i, status)));
    check(env, napi_create_int64(env, tf.DeviceListMemoryBytes(devices.get(), i, status), &memory));
    status.check();
    setProperty(env, one, "memory", memory);
    check(env, napi_set_element(env, out, i, one));
  }
  return out;
}

using Message = std::unique_ptr<TF_Buffer, decltype(tf.DeleteBuffer)>;

napi_value toBytes(napi_env env, const Message& message) {
  napi_value out;
  void* copy;
  check(env, napi_create_arraybuffer(env, message->length, &copy, &out));
  if (message->length > 0) std::memcpy(copy, message->data, message->length);
  return out;
}

// ops() → ArrayBuffer, an OpList (tensorflow/core/framework/op_def.proto) of all ops
napi_value Ops(napi_env env, const Arguments&) { return toBytes(env, Message(tf.GetAllOpList(), tf.DeleteBuffer)); }

// kernels(op: string) → ArrayBuffer, a KernelList (tensorflow/core/framework/kernel_def.proto); '' for all ops
napi_value Kernels(napi_env env, const Arguments& a) {
  const std::string op = textOf(env, a[0]);
  const Status status;
  const Message list(op.empty() ? tf.GetAllRegisteredKernels(status) : tf.GetRegisteredKernelsForOp(op.c_str(), status),
                     tf.DeleteBuffer);
  status.check();
  return toBytes(env, list);
}

}  // namespace
}  // namespace native

NAPI_MODULE_INIT() {
  using namespace native;
  const napi_property_descriptor functions[] = {
      FUNCTION("load", Load, 2),       FUNCTION("open", Open, 3),       FUNCTION("close", Close, 1),
      FUNCTION("add", Add, 4),         FUNCTION("plan", MakePlan, 4),   FUNCTION("prepare", Prepare, 4),
      FUNCTION("run", RunHere, 1),     FUNCTION("runApart", RunApart, 1), FUNCTION("discard", Discard, 1),
      FUNCTION("devices", Devices, 1), FUNCTION("kernels", Kernels, 1), FUNCTION("ops", Ops, 0),
      FUNCTION("finish", Finish, 0),   FUNCTION("serve", Serve, 2),     FUNCTION("loadAhead", LoadAhead, 2),
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  return exports;
}
