#include "tiles.h"

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cpu.h"

#define TILE_CODE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16")))
#define INLINE static inline __attribute__((always_inline)) TILE_CODE

// Written as assembler: the compilers' intrinsics do not say that they read and write memory.
#define LOAD_TILE(tile, from, stride) \
  asm volatile("tileloadd (%0,%1,1), %%tmm" #tile ::"r"(from), "r"((long)(stride)) : "memory")
#define STORE_TILE(tile, to, stride) \
  asm volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(to), "r"((long)(stride)) : "memory")
#define MULTIPLY(sum, a, b) asm volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #sum ::: "memory")

namespace fused {

bool hasTiles() {
  constexpr long REQUEST_PERMISSION = 0x1023, TILE_DATA = 18;  // ARCH_REQ_XCOMP_PERM: asm/prctl.h
  static const bool has = [] {
    if (!Cpu::current().amx) return false;
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
  }();
  return has;
}

TILE_CODE TileScope::TileScope() {
  struct __attribute__((aligned(64))) {
    unsigned char palette = 1, start = 0, reserved[14] = {};
    unsigned short bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    unsigned char rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } config;
  asm volatile("ldtilecfg %0" ::"m"(config));
}

TILE_CODE TileScope::~TileScope() { asm volatile("tilerelease"); }

// 16 elements of two rows, as pairs.
INLINE __m512i pairs(const Bfloat16* even, const Bfloat16* odd, __mmask16 mask, __m512i interleave) {
  const __m256i low = _mm256_maskz_loadu_epi16(mask, even), high = _mm256_maskz_loadu_epi16(mask, odd);
  return _mm512_permutexvar_epi16(interleave, _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
}

// Indices of the elements 0, 16, 1, 17 …
INLINE __m512i interleaved() {
  const __m512i low = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  return _mm512_or_si512(low, _mm512_slli_epi32(_mm512_add_epi32(low, _mm512_set1_epi32(16)), 16));
}

INLINE __mmask16 maskOf(long channels) { return channels >= TILE ? 0xffff : (1u << channels) - 1; }

TILE_CODE void packPairs(const Bfloat16* const* at, long depth, long channels, Bfloat16* out) {
  const __m512i interleave = interleaved();
  for (long q = 0; q < depth; q += 2)
    for (long c = 0; c < channels; c += TILE)
      _mm512_store_si512(out + c * depth + q * TILE, pairs(at[q] + c, at[q + 1] + c, maskOf(channels - c), interleave));
}

// Transposes 16 x 16 elements of 32 bits.
INLINE void transpose(__m512i* r) {
  __m512i t[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4)
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) {
      r[i + 2 * k] = _mm512_unpacklo_epi64(t[i + k], t[i + k + 2]);
      r[i + 2 * k + 1] = _mm512_unpackhi_epi64(t[i + k], t[i + k + 2]);
    }
  // r[4i + k]: elements k, k + 4, k + 8 and k + 12 of the rows 4i … 4i + 3
#pragma GCC unroll 2
  for (int i = 0; i < 16; i += 8)
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
      t[i + k] = _mm512_shuffle_i32x4(r[i + k], r[i + k + 4], 0x88);
      t[i + k + 4] = _mm512_shuffle_i32x4(r[i + k], r[i + k + 4], 0xdd);
    }
#pragma GCC unroll 8
  for (int k = 0; k < 8; k++) {
    r[k] = _mm512_shuffle_i32x4(t[k], t[k + 8], 0x88);
    r[k + 8] = _mm512_shuffle_i32x4(t[k], t[k + 8], 0xdd);
  }
}

TILE_CODE void packTransposed(const Bfloat16* const* at, long depth, long channels, Bfloat16* out, long stride) {
  const __m512i interleave = interleaved();
  for (long q = 0; q < depth; q += DEPTH)
    for (long c = 0; c < channels; c += TILE) {
      const __mmask16 mask = maskOf(channels - c);
      __m512i rows[16];
#pragma GCC unroll 16
      for (int i = 0; i < 16; i++) rows[i] = pairs(at[q + 2 * i] + c, at[q + 2 * i + 1] + c, mask, interleave);
      transpose(rows);
#pragma GCC unroll 16
      for (int i = 0; i < 16; i++) _mm512_store_si512(out + (c + i) * stride + q, rows[i]);
    }
}

// Accumulators are in tiles 0 to 3, B in 4 and 5, A in 6 and 7.
TILE_CODE void multiplyTiles(const Bfloat16* const* a, long countA, long stride, const Bfloat16* b, long countB, long step,
                             long depth, float* sums, long pitch) {
  const long bytes = stride * sizeof(Bfloat16), across = pitch * SUMS, row = TILE * sizeof(float);
  for (long j = 0; j < countB; j += 2) {
    const bool two = j + 1 < countB;
    long i = 0;
    for (; two && i + 1 < countA; i += 2) {
      float* s = sums + i * across + j * SUMS;
      LOAD_TILE(0, s, row);
      LOAD_TILE(1, s + SUMS, row);
      LOAD_TILE(2, s + across, row);
      LOAD_TILE(3, s + across + SUMS, row);
      const Bfloat16 *a0 = a[i], *a1 = a[i + 1], *b0 = b + j * step, *b1 = b0 + step;
      for (long q = 0; q < depth; q += DEPTH) {
        LOAD_TILE(4, b0 + q * TILE, row);
        LOAD_TILE(6, a0 + q, bytes);
        LOAD_TILE(7, a1 + q, bytes);
        LOAD_TILE(5, b1 + q * TILE, row);
        MULTIPLY(0, 6, 4);
        MULTIPLY(2, 7, 4);
        MULTIPLY(1, 6, 5);
        MULTIPLY(3, 7, 5);
      }
      STORE_TILE(0, s, row);
      STORE_TILE(1, s + SUMS, row);
      STORE_TILE(2, s + across, row);
      STORE_TILE(3, s + across + SUMS, row);
    }
    // One block of B: four or fewer blocks of A at a time
    for (long k = j; k < (two ? j + 2 : j + 1); k++)
      for (long from = i; from < countA; from += 4) {
        const long n = countA - from < 4 ? countA - from : 4;
        float* s = sums + from * across + k * SUMS;
        LOAD_TILE(0, s, row);
        if (n > 1) LOAD_TILE(1, s + across, row);
        if (n > 2) LOAD_TILE(2, s + 2 * across, row);
        if (n > 3) LOAD_TILE(3, s + 3 * across, row);
        const Bfloat16 *const *p = a + from, *b0 = b + k * step;
        for (long q = 0; q < depth; q += DEPTH) {
          LOAD_TILE(4, b0 + q * TILE, row);
          LOAD_TILE(5, p[0] + q, bytes);
          MULTIPLY(0, 5, 4);
          if (n > 1) {
            LOAD_TILE(6, p[1] + q, bytes);
            MULTIPLY(1, 6, 4);
          }
          if (n > 2) {
            LOAD_TILE(7, p[2] + q, bytes);
            MULTIPLY(2, 7, 4);
          }
          if (n > 3) {
            LOAD_TILE(5, p[3] + q, bytes);
            MULTIPLY(3, 5, 4);
          }
        }
        STORE_TILE(0, s, row);
        if (n > 1) STORE_TILE(1, s + across, row);
        if (n > 2) STORE_TILE(2, s + 2 * across, row);
        if (n > 3) STORE_TILE(3, s + 3 * across, row);
      }
  }
}

}  // namespace fused

#else

namespace fused {

bool hasTiles() { return false; }

}  // namespace fused

#endif
