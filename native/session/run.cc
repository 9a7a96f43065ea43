#include "run.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <thread>

namespace native {

Run::Run(napi_env env, PlanRef plan, napi_value types, napi_value shapes, napi_value values)
    : plan_(std::move(plan)), session_(plan_->open()) {
  const auto type = listOf(env, types), shape = listOf(env, shapes), value = listOf(env, values);
  const size_t count = plan_->feeds.size();
  if (type.size() != count || shape.size() != count || value.size() != count)
    throw std::runtime_error("expected " + std::to_string(count) + " fed values, got " + std::to_string(value.size()));
  for (size_t i = 0; i < count; i++) fed_.push_back(tensorOf(env, type[i], shape[i], value[i]));
}

void Run::execute() {
  std::vector<TF_Tensor*> in, out(plan_->fetches.size(), nullptr);
  for (const Tensor& tensor : fed_) in.push_back(tensor.get());
  const Status status;
  {
    const auto lock = session_->lockRun();
    tf.SessionRun(session_->get(), nullptr, plan_->feeds.data(), in.data(), in.size(), plan_->fetches.data(), out.data(),
                  out.size(), plan_->targets.data(), plan_->targets.size(), nullptr, status);
  }
  for (TF_Tensor* tensor : out) fetched_.emplace_back(tensor);
  code_ = status.code();
  error_ = status.message();
  discard();  // the memory is free before JavaScript receives the results
}

napi_value Run::results(napi_env env) {
  if (code_ != TF_OK) throw TensorflowError(code_, error_.c_str());
  napi_value out;
  check(env, napi_create_array_with_length(env, fetched_.size(), &out));
  for (size_t i = 0; i < fetched_.size(); i++)
    check(env, napi_set_element(env, out, i, toValue(env, std::move(fetched_[i]))));
  return out;
}

namespace {

constexpr std::chrono::seconds TIMEOUT{2};

// State of an asynchronous run, shared by its thread and the thread-safe function that it calls. If the JavaScript
// environment ends first (a terminated worker thread), the function is finalized before the thread ends.
struct Delivery {
  std::shared_ptr<Run> run;
  napi_deferred promise = nullptr;
  std::mutex mutex;
  std::condition_variable changed;
  bool executed = false;
  napi_threadsafe_function function = nullptr;  // null after the end of the JavaScript environment
};

using DeliveryRef = std::shared_ptr<Delivery>;

void settle(napi_env env, Delivery& delivery) {
  try {
    check(env, napi_resolve_deferred(env, delivery.promise, delivery.run->results(env)));
  } catch (const TensorflowError& error) {
    napi_reject_deferred(env, delivery.promise, toError(env, error.what(), error.code()));
  } catch (const std::exception& error) {
    napi_reject_deferred(env, delivery.promise, toError(env, error.what(), TF_INTERNAL));
  } catch (const Pending&) {
    napi_value error;
    napi_get_and_clear_last_exception(env, &error);
    napi_reject_deferred(env, delivery.promise, error);
  }
}

// On the JavaScript thread, after the run; env is null if the JavaScript environment is ending.
void deliver(napi_env env, napi_value, void*, void* data) {
  const std::unique_ptr<DeliveryRef> delivery(static_cast<DeliveryRef*>(data));
  if (env != nullptr) settle(env, **delivery);
}

// Finalizer of the function, on the JavaScript thread. If the run has not ended, the process may be about to exit: see
// finishRuns.
void ended(napi_env, void* data, void*) {
  const std::unique_ptr<DeliveryRef> held(static_cast<DeliveryRef*>(data));
  Delivery& delivery = **held;
  std::unique_lock<std::mutex> lock(delivery.mutex);
  delivery.function = nullptr;
  delivery.changed.wait_for(lock, TIMEOUT, [&] { return delivery.executed; });
}

void call(const DeliveryRef& delivery) {
  const std::lock_guard<std::mutex> lock(delivery->mutex);
  delivery->executed = true;
  delivery->changed.notify_all();
  if (delivery->function == nullptr) return;
  auto* data = new DeliveryRef(delivery);
  if (napi_call_threadsafe_function(delivery->function, data, napi_tsfn_nonblocking) == napi_ok) {
    napi_release_threadsafe_function(delivery->function, napi_tsfn_release);
  } else {
    delete data;  // the function is closing and must not be released
  }
}

// Number of threads that execute a run.
std::atomic<int> active{0};

bool idleWithin(std::chrono::seconds timeout) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  while (active > 0) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace

napi_value runApart(napi_env env, std::shared_ptr<Run> run) {
  auto delivery = std::make_shared<Delivery>();
  delivery->run = std::move(run);
  napi_value promise;
  check(env, napi_create_threadsafe_function(env, nullptr, nullptr, toText(env, "TensorFlow run"), 0, 1,
                                             new DeliveryRef(delivery), ended, nullptr, deliver, &delivery->function));
  check(env, napi_create_promise(env, &delivery->promise, &promise));
  active++;
  try {
    std::thread([delivery] {
      delivery->run->execute();
      call(delivery);
      active--;
    }).detach();
  } catch (const std::exception&) {
    active--;
    delivery->executed = true;
    napi_release_threadsafe_function(delivery->function, napi_tsfn_abort);
    throw;
  }
  return promise;
}

void finishRuns() {
#if defined(__GLIBC__)
  if (!idleWithin(TIMEOUT)) on_exit([](int status, void*) { _exit(status); }, nullptr);
#else
  idleWithin(std::chrono::hours(1));  // without on_exit the exit code is not known
#endif
}

}  // namespace native
