// Stands for Python's library in processes without Python: TensorFlow's library for Windows contains the bindings for Python
// next to the C API, and Windows loads it only if every name it imports exists. None of them is used through the C API; a
// call ends the process with its name. PYTHON_NAMES is the list of the names (python-names.txt).
#include <cstdio>
#include <cstdlib>

#define FUNCTION(name)                                                             \
  extern "C" __declspec(dllexport) void name() {                                   \
    std::fputs("TensorFlow called " #name ", but there is no Python\n", stderr); \
    std::abort();                                                                  \
  }
// An object, of which only the address is used.
#define OBJECT(name) extern "C" __declspec(dllexport) char name[1024] = {};

PYTHON_NAMES
