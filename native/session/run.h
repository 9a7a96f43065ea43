// A run of a plan: created and finished on the JavaScript thread, executed there or on a separate thread (not one of libuv's
// four threads, which file operations need).
#pragma once
#include "session.h"
#include "tensor.h"

namespace native {

class Run {
 public:
  // types: number[], shapes: number[][], values: typed arrays, one per feed of the plan; they are copied
  Run(napi_env env, PlanRef plan, napi_value types, napi_value shapes, napi_value values);

  // Waits for other runs of the session. Does not access JavaScript values.
  void execute();

  // Releases the inputs and the session.
  void discard() {
    fed_.clear();
    session_.reset();
  }

  // An array of values; throws TensorflowError if the run failed.
  napi_value results(napi_env env);

 private:
  PlanRef plan_;
  SessionRef session_;
  std::vector<Tensor> fed_, fetched_;
  TF_Code code_ = TF_OK;
  std::string error_;
};

// Executes a run on another thread. Returns a promise of its results.
napi_value runApart(napi_env env, std::shared_ptr<Run> run);

// Called before the process exits. Waits two seconds for active runs, because destructors of TensorFlow's static objects must
// not run while its threads are active; if a run takes longer, the process exits without these destructors.
void finishRuns();

}  // namespace native
