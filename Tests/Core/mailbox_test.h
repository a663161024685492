/* mailbox_test.h - a loop with a mailbox, and messages that say who sent
 * them. */
#ifndef WEIR_MAILBOX_TEST_H
#define WEIR_MAILBOX_TEST_H

#include "purse.h"

typedef struct test_letter {
  weir_message_t message; /* first: a message is its letter */
  uint32_t sender;
  uint32_t number;
} test_letter_t;

typedef struct test_box {
  uv_loop_t loop;
  uv_async_t keep; /* a loop with nothing to wait for does not turn */
  weir_mailbox_t *mailbox;
  test_purse_t purse;
  weir_allocator_t allocator;
  int closed;
} test_box_t;

static inline void test_box_closed(void *data) {
  test_box_t *box = data;
  box->closed++;
}

/* `box` is zeroed, or part of what is. */
static inline void test_box_open(test_box_t *box, uint32_t credits,
                                 void (*on_messages)(weir_mailbox_t *mailbox,
                                                     weir_message_t *first,
                                                     uint32_t count)) {
  box->allocator = test_allocator(&box->purse);
  CHECK_EQ(uv_loop_init(&box->loop), 0);
  CHECK_EQ(uv_async_init(&box->loop, &box->keep, NULL), 0);
  weir_mailbox_options_t options = {.size = sizeof options,
                                    .credits = credits,
                                    .on_messages = on_messages,
                                    .allocator = &box->allocator,
                                    .data = box};
  CHECK_EQ(weir_mailbox_create(&box->loop, &box->mailbox, &options), 0);
  CHECK_EQ(box->purse.calls, 1);
}

/* Nothing was allocated since; nothing is left. */
static inline void test_box_finish(test_box_t *box) {
  weir_mailbox_close(box->mailbox, test_box_closed);
  if (!uv_is_closing((uv_handle_t *)&box->keep))
    uv_close((uv_handle_t *)&box->keep, NULL);
  test_close_loop(&box->loop);
  CHECK_EQ(box->closed, 1);
  CHECK_EQ(box->purse.calls, 1);
  weir_mailbox_destroy(box->mailbox);
  CHECK_EQ(box->purse.live, 0);
}

#endif
