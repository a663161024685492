/* A host that has closed 0, 1 and 2 can start children. */
#include "child_test.h"

int main(void) {
  uv_loop_t loop;
  CHECK_EQ(uv_loop_init(&loop), 0);
  int console = fcntl(2, F_DUPFD_CLOEXEC, 100);
  for (int closed = 1; closed < 8; closed++) {
    for (int fd = 0; fd < 3; fd++)
      if (closed & 1 << fd) close(fd);
    const char *arguments[] = {"sh", "-c", "cat; echo out; echo err >&2", NULL};
    test_child_t child;
    weir_child_options_t options = test_child_options(&child, arguments);
    test_spawn(&loop, &child, &options);
    CHECK(child.fd > 2);
    /* None of ours has taken their place. */
    for (int fd = 0; fd < 3; fd++)
      if (closed & 1 << fd) CHECK_EQ(fcntl(fd, F_GETFD), -1);
    test_run_until(&loop, &child.exits);
    char output[16];
    CHECK_EQ(test_read_all(child.fd, output, sizeof output), 4);
    CHECK(memcmp(output, "out\n", 4) == 0);
    CHECK(strcmp(child.line, "err") == 0);
    test_close_child(&loop, &child);
    for (int fd = 0; fd < 3; fd++)
      CHECK_EQ(dup2(console, fd), fd);
  }
  test_close_loop(&loop);
  return 0;
}
