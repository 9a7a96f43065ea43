// One run of a plan: made and finished on JavaScript's thread, executed there or on a thread of its own (libuv's four threads
// would be taken from the work on files).
#pragma once
#include "session.h"
#include "tensor.h"

namespace native {

class Run {
 public:
  // types: number[], shapes: number[][], values: typed arrays, one for each feed of the plan; they are copied
  Run(napi_env env, PlanRef plan, napi_value types, napi_value shapes, napi_value values);

  // Waits for other runs of the session. Touches nothing of JavaScript.
  void execute();

  // Lets go of what was fed and of the session.
  void discard() {
    fed_.clear();
    session_.reset();
  }

  // An array of values, or a TensorflowError.
  napi_value results(napi_env env);

 private:
  PlanRef plan_;
  SessionRef session_;
  std::vector<Tensor> fed_, fetched_;
  TF_Code code_ = TF_OK;
  std::string error_;
};

// Executes it on another thread. @returns a promise of its results
napi_value runApart(napi_env env, std::shared_ptr<Run> run);

// Before the process ends: waits a little for runs under way, because destructors of TensorFlow's static objects must not run
// under its threads. A run that takes longer ends with the process, without them.
void finishRuns();

}  // namespace native
