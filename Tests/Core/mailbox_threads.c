/* Four threads push as fast as they can, and each message arrives once, in its
 * sender's order; the loop is woken less often than it is sent to, and never
 * too seldom. Closed while they push, it hands over what was accepted. */
#include <sched.h>

#include "mailbox_test.h"
#include "scale.h"

#define SENDERS 4u
#define LETTERS 512u /* of each sender, used again and again */
#define CREDITS 256u

typedef struct sender {
  uv_thread_t thread;
  uint32_t index;
  uint32_t wanted;   /* to push; then the thread ends */
  uint32_t accepted; /* its own; read when it has ended */
  uint32_t refused;
  test_letter_t letters[LETTERS];
} sender_t;

static struct {
  test_box_t box; /* first: the mailbox's data is this */
  sender_t senders[SENDERS];
  uint32_t received[SENDERS];
  uint64_t all;
  uint64_t close_at; /* messages received; 0: never */
  uint64_t done_at;  /* when the loop is let go */
} test;

static void on_messages(weir_mailbox_t *mailbox, weir_message_t *first,
                        uint32_t count) {
  CHECK(count > 0 && count <= CREDITS);
  uint32_t seen = 0;
  for (weir_message_t *next; first != NULL; first = next, seen++) {
    next = first->next;
    const test_letter_t *letter = (const test_letter_t *)first;
    CHECK_EQ(letter->number, test.received[letter->sender]);
    test.received[letter->sender]++;
  }
  CHECK_EQ(seen, count);
  test.all += count;
  if (test.close_at > 0 && test.all >= test.close_at)
    weir_mailbox_close(mailbox, test_box_closed);
  if (test.done_at > 0 && test.all == test.done_at)
    uv_close((uv_handle_t *)&test.box.keep, NULL);
}

/* A letter may be used again once CREDITS later ones were accepted: by then it
 * was handled. There are twice as many. */
static void run_sender(void *argument) {
  sender_t *sender = argument;
  while (sender->accepted < sender->wanted) {
    test_letter_t *letter = &sender->letters[sender->accepted % LETTERS];
    letter->sender = sender->index;
    letter->number = sender->accepted;
    int status = weir_mailbox_push(test.box.mailbox, &letter->message);
    if (status == UV_ECANCELED) return;
    if (status == 0) {
      sender->accepted++;
      continue;
    }
    CHECK_EQ(status, WEIR_EFULL);
    sender->refused++;
    sched_yield(); /* to the loop, where there is one core for both */
  }
}

static void start(uint32_t wanted) {
  memset(&test, 0, sizeof test);
  test_box_open(&test.box, CREDITS, on_messages);
  for (uint32_t i = 0; i < SENDERS; i++) {
    test.senders[i].index = i;
    test.senders[i].wanted = wanted;
  }
}

static void create_threads(void) {
  for (uint32_t i = 0; i < SENDERS; i++)
    CHECK_EQ(
        uv_thread_create(&test.senders[i].thread, run_sender, &test.senders[i]),
        0);
}

static uint64_t join_threads(void) {
  uint64_t accepted = 0;
  for (uint32_t i = 0; i < SENDERS; i++) {
    CHECK_EQ(uv_thread_join(&test.senders[i].thread), 0);
    CHECK_EQ(test.received[i], test.senders[i].accepted);
    accepted += test.senders[i].accepted;
  }
  return accepted;
}

static void test_all_arrive(uint32_t wanted) {
  start(wanted);
  test.done_at = (uint64_t)SENDERS * wanted;
  create_threads();
  uv_run(&test.box.loop, UV_RUN_DEFAULT);
  CHECK_EQ(join_threads(), test.done_at);
  CHECK_EQ(test.all, test.done_at);
  weir_mailbox_counters_t counters;
  weir_mailbox_counters(test.box.mailbox, &counters);
  CHECK_EQ(counters.received, test.done_at);
  /* One wake-up for each time that it was found empty: as many as batches. */
  CHECK_EQ(counters.wakeups, counters.batches);
  CHECK(counters.batches <= counters.received);
  test_box_finish(&test.box);
}

static void test_closed_while_pushing(uint64_t close_at) {
  start(UINT32_MAX);
  test.close_at = close_at;
  create_threads();
  while (!test.box.closed)
    uv_run(&test.box.loop, UV_RUN_ONCE);
  /* All that was accepted was handed over before: the threads may find out
   * that it is closed later than that. */
  uint64_t all = test.all;
  CHECK(all >= close_at);
  CHECK_EQ(join_threads(), all);
  CHECK_EQ(weir_mailbox_length(test.box.mailbox), 0);
  test_box_finish(&test.box);
  CHECK_EQ(test.all, all);
}

int main(void) {
  test_all_arrive((uint32_t)(50000 * test_scale()));
  for (uint64_t i = 0; i < 50 * test_scale(); i++)
    test_closed_while_pushing(1 + i * 37);
  return 0;
}
