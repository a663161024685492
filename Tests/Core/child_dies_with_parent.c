/* When the process that started a child is killed, the child is killed. */
#include <sys/prctl.h>
#include <sys/stat.h>

#include "child_test.h"

/* The child: ignores what it can, says its number, and stays. */
static _Noreturn void stay(const char *fifo) {
  for (int number = 1; number < NSIG; number++)
    signal(number, SIG_IGN);
  int fd = open(fifo, O_WRONLY);
  CHECK(fd >= 0);
  dprintf(fd, "%d\n", getpid());
  for (;;)
    pause();
}

/* The process in between: a loop with a child. */
static int hold(const char *fifo) {
  uv_loop_t loop;
  CHECK_EQ(uv_loop_init(&loop), 0);
  const char *arguments[] = {test_self, "stay", fifo, NULL};
  test_child_t child;
  weir_child_options_t options = test_child_options(&child, arguments);
  test_spawn(&loop, &child, &options);
  test_run_until(&loop, &child.exits);
  return 1;
}

int main(int count, char **arguments) {
  test_find_self();
  if (count > 2 && strcmp(arguments[1], "stay") == 0) stay(arguments[2]);
  if (count > 2 && strcmp(arguments[1], "hold") == 0) return hold(arguments[2]);

  char directory[] = "/tmp/weir-test-XXXXXX";
  char fifo[64];
  CHECK(mkdtemp(directory) != NULL);
  snprintf(fifo, sizeof fifo, "%s/fifo", directory);
  CHECK_EQ(mkfifo(fifo, 0600), 0);
  /* The orphan becomes ours, so that how it ended is known. */
  CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  alarm(TEST_DEADLINE_S);

  pid_t between = fork();
  if (between == 0) {
    execl(test_self, test_self, "hold", fifo, (char *)NULL);
    _exit(1);
  }
  int fd = open(fifo, O_RDONLY);
  CHECK(fd >= 0);
  char line[32];
  test_read_line(fd, line, sizeof line);
  pid_t child = atoi(line);
  CHECK(child > 0 && child != between);
  CHECK_EQ(kill(child, 0), 0);

  int status;
  CHECK_EQ(kill(between, SIGKILL), 0);
  CHECK_EQ(waitpid(between, &status, 0), between);
  CHECK(WIFSIGNALED(status));
  /* The end of the FIFO is the end of whoever had it open. */
  CHECK_EQ(read(fd, line, sizeof line), 0);
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFSIGNALED(status));
  CHECK_EQ(WTERMSIG(status), SIGKILL);
  test_no_child_left();
  close(fd);
  unlink(fifo);
  rmdir(directory);
  return 0;
}
