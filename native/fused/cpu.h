// Instruction sets of x86-64 processors that the operating system saves, too, by the instructions CPUID and XGETBV (Intel 64 and
// IA-32 Architectures Software Developer's Manual, volume 1, sections 14.3 and 15.2). The compilers' __builtin_cpu_supports is
// false for all of them when zig has compiled it.
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>

namespace fused {

struct Cpu {
  bool avx2 = false;        // with FMA
  bool avx512 = false;      // F, BW, DQ and VL
  bool avx512bf16 = false;  // with avx512
  bool amx = false;         // tiles and bfloat16; the process needs a permission, too

  static const Cpu& current() {
    static const Cpu cpu;
    return cpu;
  }

 private:
  Cpu() {
    unsigned a, b, c, d;
    constexpr unsigned FMA = 1u << 12, OSXSAVE = 1u << 27;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & OSXSAVE) == 0) return;
    const bool fma = (c & FMA) != 0;
    unsigned saved, high;
    asm volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
    constexpr unsigned AVX_STATE = 0x6, AVX512_STATE = 0xe6;
    if ((saved & AVX_STATE) != AVX_STATE || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    constexpr unsigned AVX2 = 1u << 5, F = 1u << 16, DQ = 1u << 17, BW = 1u << 30, VL = 1u << 31, AVX512 = F | DQ | BW | VL;
    avx2 = fma && (b & AVX2) != 0;
    avx512 = avx2 && (b & AVX512) == AVX512 && (saved & AVX512_STATE) == AVX512_STATE;
    constexpr unsigned AMX_BF16 = 1u << 22, AMX_TILE = 1u << 24, AMX = AMX_BF16 | AMX_TILE;
    amx = avx512 && (d & AMX) == AMX;
    constexpr unsigned AVX512_BF16 = 1u << 5;
    avx512bf16 = avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & AVX512_BF16) != 0;
  }
};

}  // namespace fused

#endif
