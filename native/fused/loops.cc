#include "loops.h"

namespace fused {

namespace plain {
#include "loops.inc"
}

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace avx2 {
#include "loops.inc"
}
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")
#endif
namespace avx512 {
#include "loops.inc"
}
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

#define LOOPS(set) {set::moments, set::normalizeSilu, set::gradientOfNorm, set::gradientOfInput}

static Loops choose() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return LOOPS(avx512);
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return LOOPS(avx2);
#endif
  return LOOPS(plain);
}

const Loops& loops() {
  static const Loops chosen = choose();
  return chosen;
}

}  // namespace fused
