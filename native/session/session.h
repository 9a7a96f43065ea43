// A TensorFlow session and its graph. GraphDefs can be added at any time, also after and during runs; they share variables.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../common/status.h"

namespace native {

class Session {
 public:
  // config: a serialized ConfigProto; target: '' for this process, or 'grpc://host:port'; concurrent: runs may overlap
  Session(const void* config, size_t bytes, const std::string& target, bool concurrent);
  ~Session();
  Session(const Session&) = delete;

  // prefix: of the names of the new nodes; device: of nodes without one; both may be ''
  void add(const void* def, size_t bytes, const std::string& prefix, const std::string& device);

  TF_Operation* operation(const std::string& name) const;
  // 'node', or 'node:1' for an output other than the first
  TF_Output output(const std::string& name) const;

  TF_Graph* graph() const { return graph_; }
  TF_Session* get() const { return session_; }

  // To be held during a run: unless they are concurrent, runs of a session are sequential.
  std::unique_lock<std::mutex> lockRun() {
    return concurrent_ ? std::unique_lock<std::mutex>() : std::unique_lock<std::mutex>(running_);
  }

 private:
  const bool concurrent_;
  std::mutex running_;
  TF_Graph* graph_;
  TF_Session* session_ = nullptr;
};

// Owned by JavaScript until the session is closed, and by an active run until its end.
using SessionRef = std::shared_ptr<Session>;

// Inputs and outputs of runs, looked up once.
struct Plan {
  std::weak_ptr<Session> session;
  std::vector<TF_Output> feeds, fetches;
  std::vector<const TF_Operation*> targets;

  SessionRef open() const {
    SessionRef found = session.lock();
    if (!found) throw std::runtime_error("the session was closed");
    return found;
  }
};

using PlanRef = std::shared_ptr<const Plan>;

}  // namespace native
