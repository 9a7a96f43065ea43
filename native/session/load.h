// Loading of TensorFlow's libraries, which takes a quarter of a second, also ahead of time in a thread of its own.
#pragma once
#include <string>
#include <vector>

namespace native {

// Starts to load the libraries in another thread and returns. No effect where the system cannot capture the output of one
// thread alone (other systems than Linux), and if loading was started before.
void loadAhead(const std::vector<std::string>& libraries);

// Loads the libraries, or waits for loadAhead if it was given the same ones. Returns their output to standard error. Throws
// std::runtime_error with the message of the dynamic loader.
std::string loadCaptured(const std::vector<std::string>& libraries);

// Waits for loadAhead: the process must not exit in the middle of it.
void finishLoading();

}  // namespace native
