#include "load.h"

#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "../common/api.h"
#include "quiet.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace native {
namespace {

// One in a process. Never destroyed: it may be in use while the process exits.
struct Ahead {
  std::mutex mutex;
  std::thread thread;
  std::vector<std::string> libraries;
  std::string messages;
  std::exception_ptr error;
};

Ahead& ahead() {
  static Ahead* const only = new Ahead();
  return *only;
}

std::string loadHere(const std::vector<std::string>& libraries) {
  Quiet quiet;
  loadTensorflow(libraries);
  return quiet.end();
}

void join(Ahead& state) {
  if (state.thread.joinable()) state.thread.join();
}

}  // namespace

#if defined(__linux__)

void loadAhead(const std::vector<std::string>& libraries) {
  Ahead& state = ahead();
  const std::lock_guard<std::mutex> lock(state.mutex);
  if (!state.libraries.empty()) return;
  state.libraries = libraries;
  state.thread = std::thread([&state] {
    // File descriptors of its own: what other threads write to standard error is not captured.
    if (unshare(CLONE_FILES) != 0) return;
    try {
      state.messages = loadHere(state.libraries);
    } catch (...) {
      state.error = std::current_exception();
    }
  });
}

#else

void loadAhead(const std::vector<std::string>&) {}

#endif

std::string loadCaptured(const std::vector<std::string>& libraries) {
  Ahead& state = ahead();
  const std::lock_guard<std::mutex> lock(state.mutex);
  join(state);
  if (libraries != state.libraries) return loadHere(libraries);
  if (state.error) std::rethrow_exception(state.error);
  return std::exchange(state.messages, {}) + loadHere(libraries);  // no effect after the thread
}

void finishLoading() {
  Ahead& state = ahead();
  const std::lock_guard<std::mutex> lock(state.mutex);
  join(state);
}

}  // namespace native
