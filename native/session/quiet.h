// Captures the output of libraries to standard error while they are loaded: no setting of TensorFlow 2.21 suppresses the
// messages of its static initializers ("oneDNN custom operations are on …").
#pragma once
#include <unistd.h>

#include <cstdio>
#include <string>

#ifdef _WIN32
#include <io.h>
#include <windows.h>
#endif

namespace native {

// Windows: the C runtimes of Node and of the addons have descriptors of their own for the one handle of standard error.
// During the lifetime of this object, closing or replacing a descriptor leaves that handle open. No effect elsewhere.
class KeptOpen {
 public:
#ifdef _WIN32
  explicit KeptOpen(int descriptor) : handle_(reinterpret_cast<HANDLE>(_get_osfhandle(descriptor))) {
    protect(HANDLE_FLAG_PROTECT_FROM_CLOSE);
  }
  ~KeptOpen() { protect(0); }

 private:
  void protect(DWORD flag) { SetHandleInformation(handle_, HANDLE_FLAG_PROTECT_FROM_CLOSE, flag); }

  HANDLE handle_;
#else
  explicit KeptOpen(int) {}
#endif
};

// During its lifetime file descriptor 2 of the process is a temporary file. No effect if that cannot be created.
class Quiet {
 public:
  Quiet() : captured_(std::tmpfile()) {
    if (captured_ == nullptr) return;
    std::fflush(stderr);
    saved_ = dup(2);
    if (saved_ >= 0) dup2(fileno(captured_), 2);
  }

  Quiet(const Quiet&) = delete;

  ~Quiet() {
    restore();
    if (captured_ != nullptr) std::fclose(captured_);
  }

  // Restores standard error. Returns the captured output.
  std::string end() {
    std::string text;
    if (!restore()) return text;
    std::rewind(captured_);
    char part[4096];
    for (size_t n; (n = std::fread(part, 1, sizeof part, captured_)) > 0;) text.append(part, n);
    return text;
  }

 private:
  bool restore() {
    if (saved_ < 0) return false;
    std::fflush(stderr);
    dup2(saved_, 2);
    close(saved_);
    saved_ = -1;
    return true;
  }

  KeptOpen original_{2};
  std::FILE* captured_;
  int saved_ = -1;
};

}  // namespace native
