// Thread pool of the kernels: TensorFlow's C API gives no access to its own. One pool per process; the caller also works.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace fused {

// Tasks 0 … tasks − 1 in any order on any thread, then `after`.
struct Phase {
  int tasks;
  std::function<void(int)> task;
  std::function<void()> after;
};

class Pool {
 public:
  static Pool& instance() {
    static Pool* pool = new Pool();  // never destroyed: its threads run until the process exits
    return *pool;
  }

  // The calling thread included.
  int threads() const { return threads_; }

  // Runs the phases in order and waits for the last. On the calling thread only if `small`, or while there are as many callers
  // as threads: TensorFlow runs independent ops at the same time.
  void run(std::vector<Phase> phases, bool small) {
    const Caller caller(callers_);
    if (small || caller.number >= threads_) {
      for (Phase& phase : phases) {
        for (int i = 0; i < phase.tasks; i++) phase.task(i);
        if (phase.after) phase.after();
      }
      return;
    }
    auto job = std::make_shared<Job>(std::move(phases));
    {
      std::lock_guard<std::mutex> lock(mutex_);
      for (int i = 1; i < threads_; i++) waiting_.push_back(job);
    }
    wake_.notify_all();
    job->work();
    job->wait(job->phases.size());
  }

 private:
  struct Job {
    explicit Job(std::vector<Phase> p) : phases(std::move(p)), next(phases.size()), done(phases.size()) {}

    std::vector<Phase> phases;
    std::vector<std::atomic<int>> next, done;
    std::atomic<size_t> open{0};  // index of the current phase

    void work() {
      for (size_t p = 0; p < phases.size(); p++) {
        wait(p);
        Phase& phase = phases[p];
        for (int i; (i = next[p]++) < phase.tasks;) {
          phase.task(i);
          if (++done[p] < phase.tasks) continue;
          if (phase.after) phase.after();
          open = p + 1;
        }
      }
    }

    void wait(size_t phase) {
      for (int spins = 0; open < phase; spins++) {
        if (spins > 2000) std::this_thread::yield();
      }
    }
  };

  // Counted while it exists.
  struct Caller {
    explicit Caller(std::atomic<int>& all) : callers(all), number(++all) {}
    ~Caller() { --callers; }
    std::atomic<int>& callers;
    const int number;
  };

  Pool() : threads_(count()) {
    for (int i = 1; i < threads_; i++) std::thread([this] { serve(); }).detach();
  }

  // Number of threads, the same as TensorFlow's.
  static int count() {
    const char* wanted = std::getenv("TF_NUM_INTRAOP_THREADS");
    if (wanted != nullptr && std::atoi(wanted) > 0) return std::atoi(wanted);
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    const int cores = std::thread::hardware_concurrency();
    return cores > 0 ? cores : 1;
  }

  void serve() {
    for (;;) {
      std::shared_ptr<Job> job;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [this] { return !waiting_.empty(); });
        job = std::move(waiting_.front());
        waiting_.pop_front();
      }
      job->work();
    }
  }

  const int threads_;
  std::atomic<int> callers_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> waiting_;
};

}  // namespace fused
