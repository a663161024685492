/* A child's exit code and output arrive, and nothing of it is left. */
#include "child_test.h"

int main(void) {
  uv_loop_t loop;
  CHECK_EQ(uv_loop_init(&loop), 0);
  int descriptors = test_count_descriptors();
  static const int codes[] = {0, 1, 7, 127, 255};
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
    char script[64];
    snprintf(script, sizeof script, "echo out; echo err >&2; exit %d",
             codes[i]);
    const char *arguments[] = {"sh", "-c", script, NULL};
    test_child_t child;
    weir_child_options_t options = test_child_options(&child, arguments);
    test_spawn(&loop, &child, &options);
    CHECK_EQ(child.exits, 0);
    CHECK(weir_child_data(child.handle) == &child);
    test_run_until(&loop, &child.exits);
    CHECK_EQ(child.how.status, codes[i]);
    CHECK_EQ(child.how.signal, 0);
    CHECK_EQ(child.lines, 1);
    CHECK(strcmp(child.line, "err") == 0);
    char output[16];
    CHECK_EQ(test_read_all(child.fd, output, sizeof output), 4);
    CHECK(memcmp(output, "out\n", 4) == 0);
    CHECK_EQ(weir_child_stderr(child.handle, output, sizeof output), 4);
    CHECK(memcmp(output, "err\n", 4) == 0);
    test_no_child_left();
    weir_child_stop(child.handle); /* too late to do anything */
    weir_child_kill(child.handle);
    test_close_child(&loop, &child);
    CHECK_EQ(child.exits, 1);
  }
  CHECK_EQ(test_count_descriptors(), descriptors);
  weir_child_close(NULL, NULL);
  test_close_loop(&loop);
  return 0;
}
