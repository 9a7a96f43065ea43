// Keeps what libraries write to standard error while they are loaded off the screen: no setting of TensorFlow 2.21 reaches
// the messages of its static initialisers ("oneDNN custom operations are on …").
#pragma once
#include <unistd.h>

#include <cstdio>
#include <string>

namespace native {

// While it lives, file descriptor 2 of this process is a temporary file. Does nothing where that cannot be had.
class Quiet {
 public:
  Quiet() : aside_(std::tmpfile()) {
    if (aside_ == nullptr) return;
    std::fflush(stderr);
    saved_ = dup(2);
    if (saved_ >= 0) dup2(fileno(aside_), 2);
  }

  Quiet(const Quiet&) = delete;

  ~Quiet() {
    restore();
    if (aside_ != nullptr) std::fclose(aside_);
  }

  // What was written until now.
  std::string end() {
    std::string text;
    if (!restore()) return text;
    std::rewind(aside_);
    char part[4096];
    for (size_t n; (n = std::fread(part, 1, sizeof part, aside_)) > 0;) text.append(part, n);
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

  std::FILE* aside_;
  int saved_ = -1;
};

}  // namespace native
