// Shared libraries opened at run time, on all systems.
#pragma once
#include <string>

namespace native {

// Opens a library by its full path, in UTF-8. Throws std::runtime_error with the message of the system's loader.
void* openLibrary(const std::string& path);

// Address of a function; nullptr if the library has none of this name.
void* findFunction(void* library, const char* name);

// Keeps the library that contains this function loaded until the process ends.
void keepLoaded(const void* function);

}  // namespace native
