// Memory of the kernels between calls.
#pragma once
#include <cstddef>
#include <memory>
#include <new>

namespace fused {

inline long ceilDiv(long a, long b) { return (a + b - 1) / b; }

// Memory that is kept for the next call on the same thread, aligned to cache lines.
template <class E>
class Scratch {
 public:
  E* get(size_t count) {
    if (count > size_) {
      memory_.reset();
      memory_.reset(::operator new(count * sizeof(E), LINE));
      size_ = count;
    }
    return static_cast<E*>(memory_.get());
  }

 private:
  static constexpr std::align_val_t LINE{64};
  struct Freed {
    void operator()(void* p) const { ::operator delete(p, LINE); }
  };

  std::unique_ptr<void, Freed> memory_;
  size_t size_ = 0;
};

}  // namespace fused
