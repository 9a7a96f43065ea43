#include "loops.h"

#include <cstdlib>
#include <cstring>

#include "cpu.h"
#include "winograd.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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
#define WITH_AVX512
namespace avx512 {
#include "loops.inc"
}
#undef WITH_AVX512
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,fma")
#endif
#define WITH_AVX512_BF16
namespace avx512bf16 {
#include "loops.inc"
}
#undef WITH_AVX512_BF16
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

enum class Set { PLAIN, AVX2, AVX512 };

#if defined(__x86_64__)
// Limited by oneDNN's environment variable, as its own instruction sets.
static Set limit() {
  const char* name = std::getenv("ONEDNN_MAX_CPU_ISA");
  if (name == nullptr) return Set::AVX512;
  if (std::strncmp(name, "AVX2", 4) == 0) return Set::AVX2;
  return std::strcmp(name, "SSE41") == 0 || std::strcmp(name, "AVX") == 0 ? Set::PLAIN : Set::AVX512;
}
#endif

static Set fastest() {
#if defined(__x86_64__)
  static const Set most = limit();
  if (most == Set::AVX512 && Cpu::current().avx512) return Set::AVX512;
  if (most >= Set::AVX2 && Cpu::current().avx2) return Set::AVX2;
#endif
  return Set::PLAIN;
}

#define LOOPS(space) {space::moments, space::normalizeSilu, space::gradientOfNorm, space::gradientOfInput}
#if defined(__x86_64__)
static bool hasBf16() { return fastest() == Set::AVX512 && Cpu::current().avx512bf16; }

#define CHOSEN(element)                                                                 \
  fastest() == Set::AVX512 ? Loops<E> LOOPS(avx512::element)                             \
  : fastest() == Set::AVX2 ? Loops<E> LOOPS(avx2::element) : Loops<E> LOOPS(plain::element)
#else
#define CHOSEN(element) Loops<E> LOOPS(plain::element)
#endif

template <>
const Loops<float>& loops<float>() {
  using E = float;
  static const Loops<E> chosen = CHOSEN(float32);
  return chosen;
}

template <>
const Loops<Bfloat16>& loops<Bfloat16>() {
  using E = Bfloat16;
#if defined(__x86_64__)
  static const Loops<E> chosen = hasBf16() ? Loops<E> LOOPS(avx512bf16::bfloat16) : CHOSEN(bfloat16);
#else
  static const Loops<E> chosen = CHOSEN(bfloat16);
#endif
  return chosen;
}

bool hasWinograd() { return fastest() != Set::PLAIN; }

#define WINOGRAD(space)                                                                                            \
  {space::panelsOf,     space::winogradFilter, space::winogradInput, space::winogradProduct, space::winogradOutput, \
   space::gradPanelsOf, space::winogradGrad,   space::winogradSums,  space::winogradTaps}

const WinogradLoops& winogradLoops() {
#if defined(__x86_64__)
  static const WinogradLoops chosen = fastest() == Set::AVX512 ? WinogradLoops WINOGRAD(avx512)
                                      : fastest() == Set::AVX2 ? WinogradLoops WINOGRAD(avx2)
                                                               : WinogradLoops WINOGRAD(plain);
#else
  static const WinogradLoops chosen WINOGRAD(plain);
#endif
  return chosen;
}

}  // namespace fused
