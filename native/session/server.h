// This process as a member of a cluster: TensorFlow's gRPC server, on which sessions can be opened.
#pragma once
#include <string>

namespace native {

// Starts the server, once in a process; it runs until the process ends. Custom ops must be registered before.
// definition: a serialized ServerDef; address: the only IPv4 address it listens on, or '' for all interfaces.
// Returns the target for sessions. Throws TensorflowError: UNIMPLEMENTED when it cannot be kept to one address.
std::string startServer(const void* definition, size_t bytes, const std::string& address);

}  // namespace native
