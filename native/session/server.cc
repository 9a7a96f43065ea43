#include "server.h"

#include "../common/status.h"
#include "listen.h"

namespace native {

std::string startServer(const void* definition, size_t bytes, const std::string& address) {
  static TF_Server* server = nullptr;  // never stopped: TensorFlow cannot stop a server
  if (server != nullptr) throw TensorflowError(TF_FAILED_PRECONDITION, "this process has a server already");
  if (!address.empty() && !listenOnlyOn(address))
    throw TensorflowError(TF_UNIMPLEMENTED, "TensorFlow's server can't be kept to one address on this system");
  const Status status;
  TF_Server* made = tf.NewServer(definition, bytes, status);
  status.check();
  tf.ServerStart(made, status);
  status.check();
  server = made;
  return tf.ServerTarget(server);
}

}  // namespace native
