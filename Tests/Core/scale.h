/* scale.h - what WEIR_SCALE multiplies a test's counts by: 1 by default. */
#ifndef WEIR_TEST_SCALE_H
#define WEIR_TEST_SCALE_H

#include <stdint.h>
#include <stdlib.h>

static inline uint64_t test_scale(void) {
  const char *scale = getenv("WEIR_SCALE");
  long count = scale != NULL ? strtol(scale, NULL, 10) : 1;
  return count > 0 ? (uint64_t)count : 1;
}

#endif
