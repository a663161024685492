/* Stopping sends SIGINT, SIGTERM and SIGKILL, each after its time, to the
 * group, and no further than needed. */
#include <sys/syscall.h>
#include <time.h>

#include "child_test.h"

#define GRACE 100 /* ms */

/* ---- Time that passes when the test says so, and the signals sent ----
 *
 * What is defined here goes before the C library's; libuv finds the clock, if
 * it can be seen. */

static long long now = 1000000; /* ms */

__attribute__((visibility("default"))) int clock_gettime(
    clockid_t clock, struct timespec *time) {
  (void)clock;
  time->tv_sec = now / 1000;
  time->tv_nsec = now % 1000 * 1000000;
  return 0;
}

static struct sent {
  pid_t to;
  int number;
  long long when;
} sent[8];
static size_t sent_count;

int kill(pid_t to, int number) {
  CHECK(sent_count < sizeof sent / sizeof sent[0]);
  sent[sent_count++] = (struct sent){to, number, now};
  return (int)syscall(SYS_kill, to, number);
}

/* ---- The child: reports signals, ends at `last` ---- */

static int last_signal;

static void on_signal(int number) {
  if (write(1, &number, sizeof number) != sizeof number) _exit(2);
  if (number == last_signal) _exit(0);
}

static _Noreturn void report_signals(int last) {
  last_signal = last;
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  if (write(1, "ready\n", 6) != 6) _exit(2);
  for (;;)
    pause();
}

/* ---- The test ---- */

static uv_loop_t loop;
static uv_async_t alive; /* what children do not keep turning */

static void pass(long long time) {
  now += time;
  uv_run(&loop, UV_RUN_NOWAIT);
}

/* The signal that is the count'th has been sent, now. */
static void check_sent(const test_child_t *child, size_t count, int number) {
  CHECK(sent_count >= count);
  CHECK_EQ(sent[count - 1].to, -weir_child_pid(child->handle));
  CHECK_EQ(sent[count - 1].number, number);
  CHECK_EQ(sent[count - 1].when, now);
}

/* The child has it, and the next is due in GRACE, not earlier. */
static void check_next(const test_child_t *child, int number) {
  size_t count = sent_count;
  int reported = 0;
  CHECK_EQ(read(child->fd, &reported, sizeof reported), sizeof reported);
  CHECK_EQ(reported, sent[count - 1].number);
  pass(GRACE - 1);
  CHECK_EQ(sent_count, count);
  pass(1);
  check_sent(child, count + 1, number);
}

/* Expects the signals up to `last`; 0: killed. */
static void check(int last) {
  char number[16];
  snprintf(number, sizeof number, "%d", last);
  const char *arguments[] = {test_self, number, NULL};
  test_child_t child;
  weir_child_options_t options = test_child_options(&child, arguments);
  options.stop_grace = GRACE;
  test_spawn(&loop, &child, &options);
  char line[16];
  test_read_line(child.fd, line, sizeof line);
  CHECK(strcmp(line, "ready") == 0);

  sent_count = 0;
  weir_child_stop(child.handle);
  weir_child_stop(child.handle);
  check_sent(&child, 1, SIGINT);
  if (last != SIGINT) check_next(&child, SIGTERM);
  if (last == 0) check_next(&child, SIGKILL);
  test_run_until(&loop, &child.exits);
  CHECK_EQ(child.how.status, last == 0 ? -1 : 0);
  CHECK_EQ(child.how.signal, last == 0 ? SIGKILL : 0);
  /* What it may have left in its group is killed, then nothing any more. */
  size_t count = last == SIGINT ? 2 : last == SIGTERM ? 3 : 4;
  check_sent(&child, count, SIGKILL);
  pass(10 * GRACE);
  CHECK_EQ(sent_count, count);

  int reported = 0;
  size_t length = test_read_all(child.fd, line, sizeof line);
  CHECK_EQ(length, last == 0 ? 0 : sizeof reported);
  memcpy(&reported, line, length);
  CHECK_EQ(reported, last);
  test_close_child(&loop, &child);
}

int main(int count, char **arguments) {
  test_find_self();
  if (count > 1) report_signals(atoi(arguments[1]));
  CHECK_EQ(uv_loop_init(&loop), 0);
  CHECK_EQ(uv_async_init(&loop, &alive, NULL), 0);
  check(SIGINT);
  check(SIGTERM);
  check(0);
  test_no_child_left();
  uv_close((uv_handle_t *)&alive, NULL);
  test_close_loop(&loop);
  return 0;
}
