/* A mailbox is not closed while a sender is still inside weir_mailbox_push(),
 * though its message was handed over long ago. */
#include <dlfcn.h>
#include <semaphore.h>

#include "mailbox_test.h"

static struct {
  test_box_t box; /* first: the mailbox's data is this */
  test_letter_t letter;
  uv_thread_t thread;
  sem_t entered, leave;
  uint32_t received;
} test;

/* Stands before libuv's own: wakes the loop, and a sender then stays inside
 * until it is let go. */
int uv_async_send(uv_async_t *async) {
  int (*real)(uv_async_t *);
  *(void **)&real = dlsym(RTLD_NEXT, "uv_async_send");
  int status = real(async);
  uv_thread_t self = uv_thread_self();
  if (uv_thread_equal(&self, &test.thread)) {
    sem_post(&test.entered);
    while (sem_wait(&test.leave) != 0)
      continue;
  }
  return status;
}

static void on_messages(weir_mailbox_t *mailbox, weir_message_t *first,
                        uint32_t count) {
  (void)mailbox;
  CHECK(first == &test.letter.message);
  test.received += count;
}

static void run_sender(void *argument) {
  (void)argument;
  test.thread = uv_thread_self(); /* before the creator knows */
  CHECK_EQ(weir_mailbox_push(test.box.mailbox, &test.letter.message), 0);
}

int main(void) {
  CHECK_EQ(sem_init(&test.entered, 0, 0), 0);
  CHECK_EQ(sem_init(&test.leave, 0, 0), 0);
  test_box_open(&test.box, 1, on_messages);
  uv_thread_t thread;
  CHECK_EQ(uv_thread_create(&thread, run_sender, NULL), 0);
  while (sem_wait(&test.entered) != 0)
    continue;
  while (test.received == 0)
    uv_run(&test.box.loop, UV_RUN_ONCE);
  CHECK_EQ(weir_mailbox_length(test.box.mailbox), 0);
  weir_mailbox_close(test.box.mailbox, test_box_closed);
  for (int i = 0; i < 100; i++) {
    uv_run(&test.box.loop, UV_RUN_NOWAIT);
    CHECK_EQ(test.box.closed, 0);
  }
  sem_post(&test.leave);
  test_box_finish(&test.box);
  CHECK_EQ(uv_thread_join(&thread), 0);
  CHECK_EQ(test.received, 1);
  return 0;
}
