/* A child gets its arguments and environment verbatim, its directory, the
 * descriptors 0, 1 and 2, and nothing else of the host. */
#include <sys/prctl.h>

#include "child_test.h"

extern char **environ;

/* ---- The child ---- */

static void print_all(char **strings) {
  for (; *strings != NULL; strings++)
    fwrite(*strings, 1, strlen(*strings) + 1, stdout);
}

/* A signal set, without 32 and 33, which glibc keeps to itself. */
static void print_status(const char *name) {
  FILE *file = fopen("/proc/self/status", "r");
  char line[256];
  CHECK(file != NULL);
  while (fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, name, strlen(name)) == 0)
      printf("%s %llx\n", name,
             strtoull(line + 7, NULL, 16) & ~((uint64_t)3 << 31));
  fclose(file);
}

static void print_state(void) {
  char text[4096];
  int number = -1;
  int descriptors = test_count_descriptors();
  printf("descriptors %d\n", descriptors);
  for (int fd = 0; fd < 3; fd++)
    CHECK(fcntl(fd, F_GETFD) >= 0);
  CHECK_EQ(fcntl(0, F_GETFL) & O_ACCMODE, O_RDONLY);
  CHECK_EQ(fcntl(1, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY);
  CHECK_EQ(fcntl(2, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY);
  printf("input %zd\n", read(0, text, sizeof text));
  print_status("SigBlk");
  print_status("SigIgn");
  CHECK_EQ(prctl(PR_GET_PDEATHSIG, &number), 0);
  printf("death %d\n", number);
  printf("group %d\n", getpgrp() == getpid());
  printf("directory %s\n", getcwd(text, sizeof text));
}

/* ---- The test ---- */

static uv_loop_t loop;
static char output[1 << 20];

static size_t run(const char *const *arguments, const char *const *environment,
                  const char *directory) {
  test_child_t child;
  weir_child_options_t options = test_child_options(&child, arguments);
  options.environment = environment;
  options.directory = directory;
  options.pipe_capacity = sizeof output;
  test_spawn(&loop, &child, &options);
  size_t length = test_read_all(child.fd, output, sizeof output);
  test_run_until(&loop, &child.exits);
  if (child.lines > 0) fprintf(stderr, "%s\n", child.line);
  CHECK_EQ(child.how.status, 0);
  test_close_child(&loop, &child);
  return length;
}

/* Output is these strings, each with its NUL. */
static void check_strings(size_t length, const char *const *strings) {
  size_t at = 0;
  for (; *strings != NULL; strings++) {
    size_t bytes = strlen(*strings) + 1;
    CHECK(at + bytes <= length);
    CHECK(memcmp(output + at, *strings, bytes) == 0);
    at += bytes;
  }
  CHECK_EQ(at, length);
}

static void test_arguments(void) {
  static char large[100000];
  memset(large, 'L', sizeof large - 1);
  const char *arguments[] = {
      test_self, "arguments", "",   "a b",      "$HOME", "*", "'\"`",
      "\\n\n",   "; exit 1",  "-x", "\xff\xc3", large,   "",  NULL};
  check_strings(run(arguments, NULL, NULL), arguments);
}

static void test_environment(void) {
  const char *arguments[] = {test_self, "environment", NULL};
  const char *environment[] = {"A=1", "EMPTY=", "B= two  words", "A=again",
                               NULL};
  check_strings(run(arguments, environment, NULL), environment);
  const char *none[] = {NULL};
  CHECK_EQ(run(arguments, none, NULL), 0);
  CHECK_EQ(setenv("WEIR_TEST_INHERITED", "yes", 1), 0);
  size_t length = run(arguments, NULL, NULL);
  check_strings(length, (const char *const *)(uintptr_t)environ);
}

/* The child's PATH decides, also relative to its directory; without one, the
 * usual places. */
static void test_path(void) {
  const char *arguments[] = {"sh", "-c", "printf '%s\\0' \"$0\"", NULL};
  const char *expected[] = {"sh", NULL};
  const char *none[] = {"A=1", NULL};
  check_strings(run(arguments, none, NULL), expected);
  const char *empty[] = {"PATH=/nowhere:", NULL};
  check_strings(run(arguments, empty, "/bin"), expected);
  const char *relative[] = {"PATH=nowhere::bin", NULL};
  check_strings(run(arguments, relative, "/"), expected);
}

static void test_state(void) {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGUSR1, SIG_IGN);
  signal(SIGINT, SIG_IGN);
  signal(SIGRTMAX, SIG_IGN);
  sigset_t blocked, before, after;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR2);
  sigaddset(&blocked, SIGTERM);
  CHECK_EQ(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
  int opened[50];
  for (int i = 0; i < 50; i++)
    opened[i] = open("/dev/null", O_RDWR);
  int high = fcntl(opened[0], F_DUPFD, 1000);
  CHECK(high >= 1000);

  const char *arguments[] = {test_self, "state", NULL};
  size_t length = run(arguments, NULL, "/usr");
  output[length] = '\0';
  const char *expected =
      "descriptors 3\ninput 0\n"
      "SigBlk 0\nSigIgn 0\n"
      "death 9\ngroup 1\ndirectory /usr\n";
  if (strcmp(output, expected) != 0) fprintf(stderr, "%s", output);
  CHECK(strcmp(output, expected) == 0);

  /* And the host is as it was. */
  CHECK_EQ(sigprocmask(SIG_SETMASK, &before, &after), 0);
  CHECK(sigismember(&after, SIGUSR2) && sigismember(&after, SIGTERM));
  CHECK(!sigismember(&after, SIGINT));
  struct sigaction action;
  CHECK_EQ(sigaction(SIGUSR1, NULL, &action), 0);
  CHECK(action.sa_handler == SIG_IGN);
  for (int i = 0; i < 50; i++)
    close(opened[i]);
  close(high);
}

int main(int count, char **arguments) {
  test_find_self();
  if (count > 1) {
    if (strcmp(arguments[1], "arguments") == 0) print_all(arguments);
    if (strcmp(arguments[1], "environment") == 0) print_all(environ);
    if (strcmp(arguments[1], "state") == 0) print_state();
    return fflush(stdout) == 0 ? 0 : 1;
  }
  CHECK_EQ(uv_loop_init(&loop), 0);
  test_arguments();
  test_environment();
  test_path();
  test_state();
  test_close_loop(&loop);
  return 0;
}
