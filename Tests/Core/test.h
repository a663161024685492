/*
 * test.h - what the tests of the C core share. One behaviour per file; each
 * file is a program that exits 0 when it holds.
 */
#ifndef WEIR_TEST_H
#define WEIR_TEST_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "weir.h"

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                        \
    }                                                                 \
  } while (0)

#define CHECK_EQ(left, right)                                              \
  do {                                                                     \
    long long test_left = (long long)(left);                               \
    long long test_right = (long long)(right);                             \
    if (test_left != test_right) {                                         \
      fprintf(stderr, "%s:%d: %s == %s: %lld, %lld\n", __FILE__, __LINE__, \
              #left, #right, test_left, test_right);                       \
      exit(1);                                                             \
    }                                                                      \
  } while (0)

/* Of a function that one thread alone runs, byte by byte: ThreadSanitizer need
 * not watch it, which would take most of a test's time. */
#ifdef __clang__
#define TEST_UNWATCHED __attribute__((no_sanitize("thread")))
#else
#define TEST_UNWATCHED
#endif

/* A deterministic generator: the same seed gives the same test. xorshift64*
 * (Marsaglia 2003; Vigna 2016). The seed is not 0. */
static inline uint64_t test_random(uint64_t *state) {
  uint64_t x = *state;
  x ^= x >> 12;
  x ^= x << 25;
  x ^= x >> 27;
  *state = x;
  return x * 0x2545F4914F6CDD1DULL;
}

/* Runs what is left to be closed and requires that no handle remains. */
static inline void test_close_loop(uv_loop_t *loop) {
  uv_run(loop, UV_RUN_DEFAULT);
  int status = uv_loop_close(loop);
  if (status != 0) {
    uv_print_all_handles(loop, stderr);
    CHECK_EQ(status, 0);
  }
}

#endif
