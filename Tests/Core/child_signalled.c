/* A child that is killed by a signal says which. */
#include "child_test.h"

static void check_kill(uv_loop_t *loop, const char *script, int number) {
  const char *arguments[] = {"sh", "-c", script, NULL};
  test_child_t child;
  weir_child_options_t options = test_child_options(&child, arguments);
  test_spawn(loop, &child, &options);
  if (number == 0) {
    number = SIGKILL;
    weir_child_kill(child.handle);
    weir_child_kill(child.handle);
  }
  test_run_until(loop, &child.exits);
  CHECK_EQ(child.how.status, -1);
  CHECK_EQ(child.how.signal, number);
  test_close_child(loop, &child);
}

int main(void) {
  uv_loop_t loop;
  CHECK_EQ(uv_loop_init(&loop), 0);
  check_kill(&loop, "kill -TERM $$", SIGTERM);
  check_kill(&loop, "kill -SEGV $$", SIGSEGV);
  check_kill(&loop, "kill -KILL $$", SIGKILL);
  check_kill(&loop, "sleep 1000", 0);
  check_kill(&loop, "kill -STOP $$", 0);
  test_no_child_left();
  test_close_loop(&loop);
  return 0;
}
