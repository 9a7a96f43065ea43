#include "session.h"

#include <charconv>

namespace native {

Session::Session(const void* config, size_t bytes, const std::string& target, bool concurrent)
    : concurrent_(concurrent), graph_(tf.NewGraph()) {
  const std::unique_ptr<TF_SessionOptions, decltype(tf.DeleteSessionOptions)> options(tf.NewSessionOptions(),
                                                                                      tf.DeleteSessionOptions);
  const Status status;
  if (bytes > 0) tf.SetConfig(options.get(), config, bytes, status);
  if (status.code() == TF_OK && !target.empty()) tf.SetTarget(options.get(), target.c_str());
  if (status.code() == TF_OK) session_ = tf.NewSession(graph_, options.get(), status);
  if (session_ == nullptr) tf.DeleteGraph(graph_);
  status.check();
}

Session::~Session() {
  const Status status;
  tf.CloseSession(session_, status);
  tf.DeleteSession(session_, status);
  tf.DeleteGraph(graph_);
}

void Session::add(const void* def, size_t bytes, const std::string& prefix, const std::string& device) {
  const std::unique_ptr<TF_ImportGraphDefOptions, decltype(tf.DeleteImportGraphDefOptions)> options(
      tf.NewImportGraphDefOptions(), tf.DeleteImportGraphDefOptions);
  if (!prefix.empty()) tf.ImportGraphDefOptionsSetPrefix(options.get(), prefix.c_str());
  if (!device.empty()) tf.ImportGraphDefOptionsSetDefaultDevice(options.get(), device.c_str());
  const TF_Buffer buffer{def, bytes, nullptr};
  const Status status;
  tf.GraphImportGraphDef(graph_, &buffer, options.get(), status);
  status.check();
}

TF_Operation* Session::operation(const std::string& name) const {
  TF_Operation* found = tf.GraphOperationByName(graph_, name.c_str());
  if (found == nullptr) throw std::runtime_error("the graph has no node '" + name + "'");
  return found;
}

TF_Output Session::output(const std::string& name) const {
  const size_t colon = name.rfind(':');
  TF_Operation* node = operation(name.substr(0, colon));
  int index = 0;
  if (colon != std::string::npos) {
    const char* const end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + colon + 1, end, index);
    if (read.ec != std::errc() || read.ptr != end) index = -1;
  }
  if (index < 0 || index >= tf.OperationNumOutputs(node)) throw std::runtime_error("the graph has no output '" + name + "'");
  return {node, index};
}

}  // namespace native
