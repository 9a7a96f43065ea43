#include "loops.h"

#include <cstdlib>
#include <cstring>

#include "cpu.h"
#include "winograd.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fused {

#define FLOATS 4
namespace plain {
#include "loops.inc"
}
#undef FLOATS

#if defined(__x86_64__)
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
#define FLOATS 8
namespace avx2 {
#include "loops.inc"
}
#undef FLOATS
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,fma")
#endif
#define FLOATS 16
namespace avx512 {
#include "loops.inc"
}
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
#undef FLOATS
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

// The table of loops of type Type for the fastest instruction set; `of` is the end of the namespace, `::float32`.
#if defined(__x86_64__)
#define CHOSEN(Type, TABLE, of)                              \
  fastest() == Set::AVX512 ? Type TABLE(avx512 of)           \
  : fastest() == Set::AVX2 ? Type TABLE(avx2 of) : Type TABLE(plain of)
#else
#define CHOSEN(Type, TABLE, of) Type TABLE(plain of)
#endif

#define LOOPS(space) {space::moments, space::normalizeSilu, space::gradientOfNorm, space::gradientOfInput}
#define PRODUCT(space) {space::panelsOf, space::product, space::activate}
#define GRAD(space) {space::gradPanelsOf, space::gradSums}
#define WINOGRAD(space) \
  {space::winogradFilter, space::winogradInput, space::winogradOutput, space::winogradGrad, space::winogradTaps}

template <>
const Loops<float>& loops<float>() {
  static const Loops<float> chosen = CHOSEN(Loops<float>, LOOPS, ::float32);
  return chosen;
}

template <>
const Loops<Bfloat16>& loops<Bfloat16>() {
  using L = Loops<Bfloat16>;
#if defined(__x86_64__)
  const bool instructions = fastest() == Set::AVX512 && Cpu::current().avx512bf16;
  static const L chosen = instructions ? L LOOPS(avx512bf16::bfloat16) : CHOSEN(L, LOOPS, ::bfloat16);
#else
  static const L chosen = CHOSEN(L, LOOPS, ::bfloat16);
#endif
  return chosen;
}

const ProductLoops& productLoops() {
  static const ProductLoops chosen = CHOSEN(ProductLoops, PRODUCT, );
  return chosen;
}

const GradLoops& gradLoops() {
  static const GradLoops chosen = CHOSEN(GradLoops, GRAD, );
  return chosen;
}

bool hasWinograd() { return fastest() != Set::PLAIN; }

bool needsProductConv() { return fastest() == Set::AVX2; }

const WinogradLoops& winogradLoops() {
  static const WinogradLoops chosen = CHOSEN(WinogradLoops, WINOGRAD, );
  return chosen;
}

}  // namespace fused
