/* queue_test.h - what the tests of the queue share. */
#ifndef WEIR_QUEUE_TEST_H
#define WEIR_QUEUE_TEST_H

#include "test.h"

static inline weir_queue_t *test_queue(weir_queue_options_t options) {
  weir_queue_t *queue = NULL;
  options.size = sizeof options;
  CHECK_EQ(weir_queue_create(&queue, &options), 0);
  return queue;
}

#endif
