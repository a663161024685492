/* A loop takes everything that was pushed, oldest first, and is woken once for
 * it; a message without a credit is refused, and closing loses none. */
#include "mailbox_test.h"

#define CREDITS 5u

static struct {
  test_box_t box; /* first: the mailbox's data is this */
  test_letter_t letters[16];
  uint32_t numbers[64]; /* in the order in which they came */
  uint32_t received;
  int closes; /* from within on_messages */
  int answers;
} test;

static weir_mailbox_counters_t counters(void) {
  weir_mailbox_counters_t counters;
  weir_mailbox_counters(test.box.mailbox, &counters);
  return counters;
}

static int push(uint32_t number) {
  test_letter_t *letter = &test.letters[number % 16];
  letter->number = number;
  return weir_mailbox_push(test.box.mailbox, &letter->message);
}

static void on_messages(weir_mailbox_t *mailbox, weir_message_t *first,
                        uint32_t count) {
  CHECK(weir_mailbox_data(mailbox) == &test);
  /* Credits are still taken. */
  CHECK(weir_mailbox_length(mailbox) >= count);
  for (uint32_t left = count; left > 0; left--) {
    CHECK(first != NULL);
    weir_message_t *next = first->next;
    test.numbers[test.received++ % 64] = ((test_letter_t *)first)->number;
    first = next;
  }
  CHECK(first == NULL);
  if (test.closes) weir_mailbox_close(mailbox, test_box_closed);
  for (; test.answers > 0; test.answers--)
    CHECK_EQ(push(100 + (uint32_t)test.answers), 0);
}

static void turn(void) {
  uv_run(&test.box.loop, UV_RUN_NOWAIT);
}

static void test_order_and_credits(void) {
  memset(&test, 0, sizeof test);
  test_box_open(&test.box, CREDITS, on_messages);
  turn();
  CHECK_EQ(test.received, 0);
  for (uint32_t i = 0; i < CREDITS; i++) {
    CHECK_EQ(push(i), 0);
    CHECK_EQ(weir_mailbox_length(test.box.mailbox), i + 1);
  }
  CHECK_EQ(push(5), WEIR_EFULL);
  CHECK_EQ(push(6), WEIR_EFULL);
  CHECK_EQ(weir_mailbox_length(test.box.mailbox), CREDITS);
  CHECK_EQ(test.received, 0); /* not before the loop turns */
  turn();
  CHECK_EQ(test.received, CREDITS);
  for (uint32_t i = 0; i < CREDITS; i++)
    CHECK_EQ(test.numbers[i], i);
  CHECK_EQ(weir_mailbox_length(test.box.mailbox), 0);
  CHECK_EQ(counters().received, CREDITS);
  CHECK_EQ(counters().batches, 1);
  CHECK_EQ(counters().wakeups, 1);
  turn();
  CHECK_EQ(counters().batches, 1);

  /* What is pushed while messages are handled comes in the next turn, and
   * with the credits that are left. */
  test.answers = 3;
  CHECK_EQ(push(7), 0);
  CHECK_EQ(push(8), 0);
  turn();
  CHECK_EQ(counters().batches, 2);
  CHECK_EQ(weir_mailbox_length(test.box.mailbox), 3);
  turn();
  static const uint32_t expected[] = {7, 8, 103, 102, 101};
  for (uint32_t i = 0; i < 5; i++)
    CHECK_EQ(test.numbers[CREDITS + i], expected[i]);
  CHECK_EQ(counters().batches, 3);
  CHECK_EQ(counters().wakeups, 3);
  test_box_finish(&test.box);
  CHECK_EQ(test.received, 10);
}

static void test_defaults(void) {
  memset(&test, 0, sizeof test);
  test_box_open(&test.box, 0, on_messages);
  uv_close((uv_handle_t *)&test.box.keep, NULL);
  CHECK_EQ(uv_run(&test.box.loop, UV_RUN_DEFAULT), 0); /* it is idle */
  static test_letter_t letters[WEIR_MAILBOX_CREDITS];
  for (uint32_t i = 0; i < WEIR_MAILBOX_CREDITS; i++)
    CHECK_EQ(weir_mailbox_push(test.box.mailbox, &letters[i].message), 0);
  CHECK_EQ(push(0), WEIR_EFULL);
  test_box_finish(&test.box);
  CHECK_EQ(test.received, WEIR_MAILBOX_CREDITS);
}

static void test_close_with_messages(void) {
  memset(&test, 0, sizeof test);
  test_box_open(&test.box, CREDITS, on_messages);
  CHECK_EQ(push(1), 0);
  CHECK_EQ(push(2), 0);
  weir_mailbox_close(test.box.mailbox, test_box_closed);
  weir_mailbox_close(test.box.mailbox, NULL);
  CHECK_EQ(push(3), UV_ECANCELED);
  CHECK_EQ(test.received, 0);
  CHECK_EQ(test.box.closed, 0);
  while (!test.box.closed)
    turn();
  CHECK_EQ(test.received, 2);
  CHECK(test.numbers[0] == 1 && test.numbers[1] == 2);
  /* It is there, and shut, until it is destroyed. */
  CHECK_EQ(push(3), UV_ECANCELED);
  CHECK_EQ(weir_mailbox_length(test.box.mailbox), 0);
  test_box_finish(&test.box);
}

static void test_close_from_within(void) {
  memset(&test, 0, sizeof test);
  test_box_open(&test.box, CREDITS, on_messages);
  test.closes = 1;
  CHECK_EQ(push(1), 0);
  turn();
  CHECK_EQ(push(2), UV_ECANCELED);
  test_box_finish(&test.box);
  CHECK_EQ(test.received, 1);
}

static void test_options(void) {
  test_purse_t purse = {.fail = 1};
  weir_allocator_t allocator = test_allocator(&purse);
  weir_mailbox_t *mailbox = NULL;
  uv_loop_t loop;
  CHECK_EQ(uv_loop_init(&loop), 0);
  weir_mailbox_options_t options = {.size = sizeof options,
                                    .on_messages = on_messages};
  CHECK_EQ(weir_mailbox_create(&loop, &mailbox, NULL), WEIR_EOPTION);
  CHECK_EQ(weir_mailbox_create(NULL, &mailbox, &options), WEIR_EOPTION);
  options.size--;
  CHECK_EQ(weir_mailbox_create(&loop, &mailbox, &options), WEIR_EOPTION);
  options.size++;
  options.credits = WEIR_MAILBOX_MAX_CREDITS + 1;
  CHECK_EQ(weir_mailbox_create(&loop, &mailbox, &options), WEIR_EOPTION);
  options.credits = 1;
  options.on_messages = NULL;
  CHECK_EQ(weir_mailbox_create(&loop, &mailbox, &options), WEIR_EOPTION);
  options.on_messages = on_messages;
  options.allocator = &allocator;
  CHECK_EQ(weir_mailbox_create(&loop, &mailbox, &options), UV_ENOMEM);
  CHECK(mailbox == NULL);
  CHECK_EQ(purse.live, 0);
  weir_mailbox_destroy(NULL);
  test_close_loop(&loop);
}

int main(void) {
  test_options();
  test_order_and_credits();
  test_close_with_messages();
  test_close_from_within();
  test_defaults();
  return 0;
}
