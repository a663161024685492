/* What goes into a FIFO first comes out first, up to its capacity and not one
 * more, however often it wraps. */
#include "purse.h"

static void test_wrapping(uint32_t capacity) {
  weir_fifo_t *fifo = NULL;
  CHECK_EQ(weir_fifo_create(&fifo, capacity, NULL), 0);
  uint64_t pushed = 0, popped = 0, seed = capacity, value;
  for (int round = 0; round < 20000; round++) {
    uint64_t count = test_random(&seed) % (capacity + 2);
    for (; count > 0; count--) {
      int status = weir_fifo_push(fifo, pushed * 3);
      CHECK_EQ(status, pushed - popped < capacity ? 0 : WEIR_EFULL);
      pushed += status == 0;
    }
    CHECK_EQ(weir_fifo_length(fifo), pushed - popped);
    for (count = test_random(&seed) % (capacity + 2); count > 0; count--) {
      value = 1;
      int found = weir_fifo_peek(fifo, &value);
      CHECK_EQ(found, pushed > popped);
      CHECK_EQ(value, found ? popped * 3 : 1);
      CHECK_EQ(weir_fifo_pop(fifo, &value), found);
      CHECK_EQ(value, found ? popped * 3 : 1);
      popped += (uint64_t)found;
    }
  }
  CHECK(popped > 9 * capacity);
  weir_fifo_destroy(fifo);
}

int main(void) {
  test_wrapping(1);
  test_wrapping(2);
  test_wrapping(5);
  test_wrapping(64);

  weir_fifo_t *fifo = NULL;
  CHECK_EQ(weir_fifo_create(&fifo, WEIR_FIFO_MAX_CAPACITY + 1, NULL),
           WEIR_EOPTION);
  CHECK(fifo == NULL);
  weir_fifo_destroy(NULL);
  for (uint64_t fail = 1; fail <= 3; fail++) {
    test_purse_t purse = {.fail = fail};
    weir_allocator_t allocator = test_allocator(&purse);
    CHECK_EQ(weir_fifo_create(&fifo, 0, &allocator), fail <= 2 ? UV_ENOMEM : 0);
    if (fail <= 2) {
      CHECK_EQ(purse.live, 0);
      continue;
    }
    for (uint64_t i = 0; i < WEIR_FIFO_CAPACITY; i++)
      CHECK_EQ(weir_fifo_push(fifo, i), 0);
    CHECK_EQ(weir_fifo_push(fifo, 0), WEIR_EFULL);
    CHECK_EQ(purse.calls, 2);
    weir_fifo_destroy(fifo);
    CHECK_EQ(purse.live, 0);
  }
  return 0;
}
