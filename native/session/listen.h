// TensorFlow's servers listen on all interfaces, whatever address their cluster has for them.
#pragma once
#include <string>

namespace native {

// From now on, sockets that TensorFlow's libraries bind to all interfaces are bound to this IPv4 address instead. Returns
// false if that is not possible on this system, or with this build of TensorFlow: then nothing has changed.
// Throws std::runtime_error if `address` is no IPv4 address.
bool listenOnlyOn(const std::string& address);

}  // namespace native
