/* A running child does not keep the host's loop alive. */
#include "child_test.h"

int main(void) {
  uv_loop_t loop;
  CHECK_EQ(uv_loop_init(&loop), 0);
  const char *arguments[] = {"sleep", "1000", NULL};
  test_child_t child;
  weir_child_options_t options = test_child_options(&child, arguments);
  test_spawn(&loop, &child, &options);
  CHECK(!uv_loop_alive(&loop));
  CHECK_EQ(uv_run(&loop, UV_RUN_DEFAULT), 0);
  weir_child_stop(child.handle);
  CHECK(!uv_loop_alive(&loop));
  CHECK_EQ(child.exits, 0);
  weir_child_close(child.handle, test_on_child_closed);
  CHECK(uv_loop_alive(&loop));
  CHECK_EQ(uv_run(&loop, UV_RUN_DEFAULT), 0);
  CHECK_EQ(child.closes, 1);
  close(child.fd);
  test_no_child_left();
  test_close_loop(&loop);
  return 0;
}
