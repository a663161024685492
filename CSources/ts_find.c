/*
 * ts_find.c - the first sieve of a search: a sync byte that is followed by
 * another one a packet later. One in 22 000 random bytes passes.
 *
 * Data without sync bytes is read once; the bytes a packet later are looked at
 * only where there is one. Which function does it is decided at run time and
 * kept in a pointer (no ifunc, which sanitizers do not survive).
 */
#include <string.h>

#include "ts_search.h"

#define SYNC ((int)WEIR_TS_SYNC)

static size_t find_scalar(const uint8_t *bytes, size_t from, size_t to) {
  while (from < to) {
    const uint8_t *hit = memchr(bytes + from, SYNC, to - from);
    if (hit == NULL) return to;
    if (hit[188] == SYNC || hit[192] == SYNC || hit[204] == SYNC)
      return (size_t)(hit - bytes);
    from = (size_t)(hit - bytes) + 1;
  }
  return to;
}

#if defined(__x86_64__)
#include <immintrin.h>

static size_t find_sse2(const uint8_t *bytes, size_t from, size_t to) {
  const __m128i sync = _mm_set1_epi8(SYNC);
#define EQUAL(at) \
  _mm_cmpeq_epi8(sync, _mm_loadu_si128((const __m128i *)(const void *)(at)))
  for (; to - from >= 64; from += 64) {
    const uint8_t *p = bytes + from;
    __m128i any = _mm_or_si128(_mm_or_si128(EQUAL(p), EQUAL(p + 16)),
                               _mm_or_si128(EQUAL(p + 32), EQUAL(p + 48)));
    if (_mm_movemask_epi8(any) == 0) continue;
    for (size_t i = 0; i < 64; i += 16) {
      __m128i next = _mm_or_si128(EQUAL(p + i + 188), EQUAL(p + i + 192));
      next = _mm_or_si128(next, EQUAL(p + i + 204));
      int hits = _mm_movemask_epi8(_mm_and_si128(EQUAL(p + i), next));
      if (hits != 0) return from + i + (size_t)__builtin_ctz((unsigned)hits);
    }
  }
#undef EQUAL
  return find_scalar(bytes, from, to);
}

__attribute__((target("avx2"))) static size_t find_avx2(const uint8_t *bytes,
                                                        size_t from,
                                                        size_t to) {
  const __m256i sync = _mm256_set1_epi8(SYNC);
#define EQUAL(at)         \
  _mm256_cmpeq_epi8(sync, \
                    _mm256_loadu_si256((const __m256i *)(const void *)(at)))
  for (; to - from >= 128; from += 128) {
    const uint8_t *p = bytes + from;
    __m256i any =
        _mm256_or_si256(_mm256_or_si256(EQUAL(p), EQUAL(p + 32)),
                        _mm256_or_si256(EQUAL(p + 64), EQUAL(p + 96)));
    if (_mm256_testz_si256(any, any)) continue;
    for (size_t i = 0; i < 128; i += 32) {
      __m256i next = _mm256_or_si256(EQUAL(p + i + 188), EQUAL(p + i + 192));
      next = _mm256_or_si256(next, EQUAL(p + i + 204));
      int hits = _mm256_movemask_epi8(_mm256_and_si256(EQUAL(p + i), next));
      if (hits != 0) return from + i + (size_t)__builtin_ctz((unsigned)hits);
    }
  }
#undef EQUAL
  return find_scalar(bytes, from, to);
}

weir__ts_find_t weir__ts_finder(weir__ts_simd_t most) {
  if (most >= WEIR__TS_SIMD_256 && __builtin_cpu_supports("avx2"))
    return find_avx2;
  return most >= WEIR__TS_SIMD_128 ? find_sse2 : find_scalar;
}

#elif defined(__aarch64__)
#include <arm_neon.h>

static size_t find_neon(const uint8_t *bytes, size_t from, size_t to) {
  const uint8x16_t sync = vdupq_n_u8(SYNC);
#define EQUAL(at) vceqq_u8(sync, vld1q_u8(at))
  for (; to - from >= 64; from += 64) {
    const uint8_t *p = bytes + from;
    uint8x16_t any = vorrq_u8(vorrq_u8(EQUAL(p), EQUAL(p + 16)),
                              vorrq_u8(EQUAL(p + 32), EQUAL(p + 48)));
    if (vmaxvq_u8(any) == 0) continue;
    for (size_t i = 0; i < 64; i += 16) {
      uint8x16_t next = vorrq_u8(EQUAL(p + i + 188), EQUAL(p + i + 192));
      next = vandq_u8(EQUAL(p + i), vorrq_u8(next, EQUAL(p + i + 204)));
      if (vmaxvq_u8(next) != 0)
        return find_scalar(bytes, from + i, from + i + 16);
    }
  }
#undef EQUAL
  return find_scalar(bytes, from, to);
}

weir__ts_find_t weir__ts_finder(weir__ts_simd_t most) {
  return most >= WEIR__TS_SIMD_128 ? find_neon : find_scalar;
}

#else

weir__ts_find_t weir__ts_finder(weir__ts_simd_t most) {
  (void)most;
  return find_scalar;
}

#endif
