/* A child that floods stderr neither keeps the loop from turning nor costs
 * memory, and its last bytes and all its lines are accounted for. */
#include "child_test.h"

#define LINE 100 /* bytes, with the line feed */

/* ---- The child ---- */

static int flood(int lines) {
  static char block[LINE * 640];
  int made = 0;
  while (made < lines) {
    size_t length = 0;
    for (; made < lines && length < sizeof block; made++, length += LINE) {
      memset(block + length, '.', LINE);
      int digits = sprintf(block + length, "%d", made);
      block[length + (size_t)digits] = ' ';
      block[length + LINE - 1] = '\n';
    }
    for (size_t at = 0; at < length;) {
      ssize_t put = write(2, block + at, length - at);
      if (put < 0) return 1;
      at += (size_t)put;
    }
  }
  return 0;
}

/* ---- The test ---- */

static int handed;
static int turns;

static void on_line(weir_child_t *handle, const char *line, size_t length,
                    uint32_t suppressed) {
  handed++;
  test_on_line(handle, line, length, suppressed);
}

static void on_turn(uv_prepare_t *prepare) {
  (void)prepare;
  turns++;
}

int main(int count, char **arguments) {
  test_find_self();
  if (count > 1) return flood(atoi(arguments[1]));

  uv_loop_t loop;
  CHECK_EQ(uv_loop_init(&loop), 0);
  uv_prepare_t prepare;
  uv_prepare_init(&loop, &prepare);
  uv_prepare_start(&prepare, on_turn);
  weir_watchdog_t *watchdog;
  CHECK_EQ(weir_watchdog_start(&loop, &watchdog, NULL), 0);

  int lines = (TEST_SANITIZED ? 100000 : 1000000) * test_scale(); /* 100 MB */
  char number[16];
  snprintf(number, sizeof number, "%d", lines);
  const char *again[] = {test_self, number, NULL};
  test_child_t child;
  weir_child_options_t options = test_child_options(&child, again);
  options.on_line = on_line;
  uint64_t start = uv_hrtime(); /* of all lines, not only of those below */
  test_spawn(&loop, &child, &options);
  while (turns < 100 && child.exits == 0)
    uv_run(&loop, UV_RUN_ONCE);
  long before = test_resident();
  test_run_until(&loop, &child.exits);
  uint64_t seconds = (uv_hrtime() - start) / 1000000000u + 1;

  CHECK_EQ(child.how.status, 0);
  if (!TEST_SANITIZED) CHECK(test_resident() - before < 1 << 20);
  CHECK(turns >= (long long)lines * LINE / 65536);
  CHECK(weir_histogram_quantile(weir_watchdog_cpu(watchdog), 0.99) < 20000000);
  CHECK_EQ(child.lines, lines);
  CHECK((uint64_t)handed <= WEIR_CHILD_LINE_RATE * (seconds + 2) + 1);
  CHECK_EQ(atoi(child.line), lines - 1);

  static char kept[WEIR_CHILD_STDERR_KEPT + 1];
  CHECK_EQ(weir_child_stderr(child.handle, kept, sizeof kept),
           WEIR_CHILD_STDERR_KEPT);
  for (int i = 1; i <= 100; i++)
    CHECK_EQ(atoi(kept + WEIR_CHILD_STDERR_KEPT - i * LINE), lines - i);
  char last[LINE];
  CHECK_EQ(weir_child_stderr(child.handle, last, sizeof last), LINE);
  CHECK(memcmp(last, kept + WEIR_CHILD_STDERR_KEPT - LINE, LINE) == 0);
  CHECK_EQ(weir_child_stderr(child.handle, last, 0), 0);

  test_close_child(&loop, &child);
  weir_watchdog_close(watchdog);
  uv_close((uv_handle_t *)&prepare, NULL);
  test_close_loop(&loop);
  return 0;
}
