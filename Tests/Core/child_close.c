/* A child may be closed at any moment, from its own callbacks too: what runs
 * is killed and reaped first, and nothing is called any more. */
#include "child_test.h"

static uv_loop_t loop;

static void close_on_line(weir_child_t *handle, const char *line, size_t length,
                          uint32_t suppressed) {
  test_on_line(handle, line, length, suppressed);
  weir_child_close(handle, test_on_child_closed);
}

static void close_on_exit(weir_child_t *handle, const weir_child_exit_t *how) {
  test_on_exit(handle, how);
  weir_child_close(handle, test_on_child_closed);
}

/* Expects these many calls of on_line and on_exit. */
static void check(const char *script, int in_line, int in_exit, int lines,
                  int exits) {
  const char *arguments[] = {"sh", "-c", script, NULL};
  test_child_t child;
  weir_child_options_t options = test_child_options(&child, arguments);
  if (in_line) options.on_line = close_on_line;
  if (in_exit) options.on_exit = close_on_exit;
  test_spawn(&loop, &child, &options);
  pid_t pid = weir_child_pid(child.handle);
  if (!in_line && !in_exit)
    weir_child_close(child.handle, test_on_child_closed);
  test_run_until(&loop, &child.closes);
  CHECK_EQ(child.closes, 1);
  CHECK_EQ(child.lines, lines);
  CHECK_EQ(child.exits, exits);
  CHECK_EQ(kill(pid, 0), -1);
  CHECK_EQ(errno, ESRCH);
  test_no_child_left();
  close(child.fd);
}

int main(void) {
  CHECK_EQ(uv_loop_init(&loop), 0);
  int descriptors = test_count_descriptors();
  const char *stubborn = "trap '' INT TERM; sleep 1000 >/dev/null 2>&1";

  check(stubborn, 0, 0, 0, 0);
  check("exit 0", 0, 0, 0, 0);
  check("echo a >&2; echo b >&2; sleep 1000", 1, 0, 1, 0);
  check("echo a >&2; echo b >&2; exit 1", 1, 0, 1, 0);
  check("printf unended >&2; exit 1", 1, 1, 1, 0);
  check("exit 1", 0, 1, 0, 1);
  check("echo a >&2; exit 1", 0, 1, 1, 1);

  /* Between stop and kill; `closed` may be left out, and the loop ends by
   * itself once all is done. */
  for (int i = 0; i < 2; i++) {
    const char *arguments[] = {"sh", "-c", stubborn, NULL};
    test_child_t child;
    weir_child_options_t options = test_child_options(&child, arguments);
    test_spawn(&loop, &child, &options);
    weir_child_stop(child.handle);
    if (i == 1) uv_run(&loop, UV_RUN_NOWAIT);
    weir_child_close(child.handle, NULL);
    close(child.fd);
    CHECK_EQ(uv_run(&loop, UV_RUN_DEFAULT), 0);
    CHECK_EQ(child.exits, 0);
    test_no_child_left();
  }
  CHECK_EQ(test_count_descriptors(), descriptors);
  test_close_loop(&loop);
  return 0;
}
