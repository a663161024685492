/* The host's SIGCHLD handler and its own children are left alone, and a host
 * that reaps everything still hears of the end. */
#include "child_test.h"

static uv_loop_t loop;

static void on_child(int number) {
  (void)number;
}

static weir_child_exit_t run(const char *script, int wait_first) {
  const char *arguments[] = {"sh", "-c", script, NULL};
  test_child_t child;
  weir_child_options_t options = test_child_options(&child, arguments);
  test_spawn(&loop, &child, &options);
  if (wait_first) {
    pid_t pid = weir_child_pid(child.handle);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
  }
  test_run_until(&loop, &child.exits);
  CHECK_EQ(child.exits, 1);
  weir_child_exit_t how = child.how;
  test_close_child(&loop, &child);
  return how;
}

int main(void) {
  CHECK_EQ(uv_loop_init(&loop), 0);
  struct sigaction action, after;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_child;
  action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
  sigaddset(&action.sa_mask, SIGUSR1);
  CHECK_EQ(sigaction(SIGCHLD, &action, NULL), 0);
  pid_t own = fork();
  if (own == 0) _exit(42);

  CHECK_EQ(run("exit 5", 0).status, 5);
  CHECK_EQ(sigaction(SIGCHLD, NULL, &after), 0);
  CHECK(after.sa_handler == on_child);
  CHECK_EQ(after.sa_flags & ~0x04000000 /* SA_RESTORER */, action.sa_flags);
  CHECK(sigismember(&after.sa_mask, SIGUSR1));

  int status;
  CHECK_EQ(waitpid(own, &status, 0), own);
  CHECK_EQ(WEXITSTATUS(status), 42);

  /* A host that was first to reap it. */
  weir_child_exit_t how = run("exit 5", 1);
  CHECK_EQ(how.status, -1);
  CHECK_EQ(how.signal, 0);

  /* A host that wants no zombies gets none, and no exit codes either. */
  signal(SIGCHLD, SIG_IGN);
  for (int i = 0; i < 20; i++) {
    how = run("exit 5", 0);
    CHECK_EQ(how.status, -1);
    CHECK_EQ(how.signal, 0);
  }
  test_no_child_left();
  test_close_loop(&loop);
  return 0;
}
