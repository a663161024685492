/* What a child leaves in its group dies with it; what it has moved into
 * another cannot hold on_exit up. */
#include "child_test.h"

/* ---- The child: starts one more, which holds stdout and stderr ---- */

static _Noreturn void leave(int own_session) {
  if (fork() == 0) {
    for (int number = 1; number < NSIG; number++)
      signal(number, SIG_IGN);
    if (own_session) setsid();
    dprintf(1, "%d\n", getpid());
    for (;;)
      pause();
  }
  /* Ends when told to by a signal: the other has spoken by then. */
  for (;;)
    pause();
}

/* ---- The test ---- */

static uv_loop_t loop;

static void check(const char *role, int own_session) {
  const char *arguments[] = {test_self, role, NULL};
  test_child_t child;
  weir_child_options_t options = test_child_options(&child, arguments);
  options.stop_grace = 2000 * TEST_DEADLINE_S; /* the first one is enough */
  test_spawn(&loop, &child, &options);
  char line[32];
  test_read_line(child.fd, line, sizeof line);
  pid_t grandchild = atoi(line);

  uint64_t start = uv_hrtime();
  weir_child_stop(child.handle);
  test_run_until(&loop, &child.exits);
  uint64_t took = (uv_hrtime() - start) / 1000000;
  CHECK_EQ(child.how.signal, SIGINT);
  if (own_session) {
    CHECK(took >= 98);                /* its stderr was waited for, */
    CHECK_EQ(kill(grandchild, 0), 0); /* but not until its end */
    CHECK_EQ(kill(grandchild, SIGKILL), 0);
  }
  /* The end of stdout is the end of the grandchild. */
  CHECK_EQ(test_read_all(child.fd, line, sizeof line), 0);
  test_close_child(&loop, &child);
}

int main(int count, char **arguments) {
  test_find_self();
  if (count > 1) leave(strcmp(arguments[1], "session") == 0);
  alarm(TEST_DEADLINE_S);
  CHECK_EQ(uv_loop_init(&loop), 0);
  check("session", 1);
  check("group", 0);
  test_no_child_left();
  test_close_loop(&loop);
  return 0;
}
