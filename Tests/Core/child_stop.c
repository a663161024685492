/* Stopping sends SIGINT, SIGTERM and SIGKILL, each after its time, to the
 * group, and no further than needed. */
#include <time.h>

#include "child_test.h"

#define GRACE 100 /* ms */
#define EARLY 2   /* ms that libuv's clock may be ahead by its rounding */

static long long now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* ---- The child: reports signals, ends at `last` ---- */

static int last_signal;

static void on_signal(int number) {
  struct {
    int number;
    long long when;
  } report;
  memset(&report, 0, sizeof report);
  report.number = number;
  report.when = now_ns();
  if (write(1, &report, sizeof report) != sizeof report) _exit(2);
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

  long long before = now_ns();
  weir_child_stop(child.handle);
  weir_child_stop(child.handle);
  test_run_until(&loop, &child.exits);
  long long after = now_ns();

  struct {
    int number;
    long long when;
  } reports[4];
  size_t length = test_read_all(child.fd, (char *)reports, sizeof reports);
  size_t count = last == SIGINT ? 1 : 2;
  CHECK_EQ(length, count * sizeof reports[0]);
  CHECK_EQ(reports[0].number, SIGINT);
  CHECK(reports[0].when >= before);
  long long grace = (GRACE - EARLY) * 1000000LL;
  if (count == 2) {
    CHECK_EQ(reports[1].number, SIGTERM);
    CHECK(reports[1].when >= before + grace);
  }
  CHECK_EQ(child.how.status, last == 0 ? -1 : 0);
  CHECK_EQ(child.how.signal, last == 0 ? SIGKILL : 0);
  if (last == 0) CHECK(after >= before + 2 * grace);
  CHECK(after < before + 20000000000LL);
  test_close_child(&loop, &child);
}

int main(int count, char **arguments) {
  test_find_self();
  if (count > 1) report_signals(atoi(arguments[1]));
  CHECK_EQ(uv_loop_init(&loop), 0);
  check(SIGINT);
  check(SIGTERM);
  check(0);
  test_no_child_left();
  test_close_loop(&loop);
  return 0;
}
