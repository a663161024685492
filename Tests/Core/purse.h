/* purse.h - an allocator that counts, and fails when it is told to. */
#ifndef WEIR_TEST_PURSE_H
#define WEIR_TEST_PURSE_H

#include "test.h"

typedef struct test_purse {
  uint64_t calls; /* of allocate */
  uint64_t fail;  /* the number of the call that fails; 0: none */
  uint64_t live;  /* bytes */
  uint64_t peak;
} test_purse_t;

static inline void *test_take(void *context, size_t bytes) {
  test_purse_t *purse = context;
  if (++purse->calls == purse->fail) return NULL;
  purse->live += bytes;
  if (purse->peak < purse->live) purse->peak = purse->live;
  return malloc(bytes);
}

static inline void test_give_back(void *context, void *pointer, size_t bytes) {
  test_purse_t *purse = context;
  CHECK(pointer != NULL);
  CHECK(purse->live >= bytes);
  purse->live -= bytes;
  free(pointer);
}

static inline weir_allocator_t test_allocator(test_purse_t *purse) {
  return (weir_allocator_t){test_take, test_give_back, purse};
}

#endif
