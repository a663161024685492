/* A program that cannot be executed is an error at once, with its reason, and
 * leaves nothing behind. */
#include <sys/stat.h>

#include "child_test.h"

static char directory[] = "/tmp/weir-test-XXXXXX";
static uv_loop_t loop;

static void check(int expected, const char *program,
                  const char *const *environment, const char *where) {
  const char *arguments[] = {program, NULL};
  test_child_t child;
  weir_child_options_t options = test_child_options(&child, arguments);
  options.environment = environment;
  options.directory = where;
  int before = test_count_descriptors();
  child.fd = -5;
  CHECK_EQ(weir_child_spawn(&loop, &child.handle, &child.fd, &options),
           expected);
  CHECK(child.handle == NULL);
  CHECK_EQ(child.fd, -5);
  CHECK_EQ(test_count_descriptors(), before);
  test_no_child_left();
  CHECK(!uv_loop_alive(&loop));
}

static const char *make(const char *name, const char *content, mode_t mode) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, "w");
  CHECK(file != NULL);
  fputs(content, file);
  fclose(file);
  CHECK_EQ(chmod(path, mode), 0);
  return path;
}

int main(void) {
  CHECK_EQ(uv_loop_init(&loop), 0);
  CHECK(mkdtemp(directory) != NULL);

  check(UV_ENOENT, "weir-no-such-program", NULL, NULL);
  check(UV_ENOENT, "/weir/no/such/program", NULL, NULL);
  check(UV_ENOENT, "./weir-no-such-program", NULL, NULL);
  check(UV_ENOTDIR, "/dev/null/program", NULL, NULL);
  check(UV_EACCES, directory, NULL, NULL);
  check(UV_ENOTDIR, "sh", NULL, "/weir/no/such/directory");
  check(UV_ENOTDIR, "sh", NULL, "/dev/null");

  check(UV_EACCES, make("unexecutable", "#!/bin/sh\n", 0644), NULL, NULL);
  check(WEIR_ENOEXEC, make("text", "echo no shell\n", 0755), NULL, NULL);
  check(WEIR_ENOEXEC, make("empty", "", 0755), NULL, NULL);
  check(UV_ENOENT, make("lost", "#!/weir/no/such/shell\n", 0755), NULL, NULL);

  /* Denied in one directory and missing in the others is denied. */
  make("denied", "#!/bin/sh\n", 0644);
  char path[256];
  snprintf(path, sizeof path, "PATH=/nowhere:%s:/dev/null", directory);
  const char *environment[] = {"A=B", path, NULL};
  check(UV_EACCES, "denied", environment, NULL);
  check(UV_ENOTDIR, "missing", environment, NULL);

  /* One argument too long for the kernel. */
  size_t length = (size_t)16 << 20;
  char *huge = malloc(length);
  CHECK(huge != NULL);
  memset(huge, 'a', length - 1);
  huge[length - 1] = '\0';
  check(UV_ENAMETOOLONG, huge, NULL, NULL);
  const char *too_long[] = {"sh", huge, NULL};
  test_child_t child;
  weir_child_options_t options = test_child_options(&child, too_long);
  CHECK_EQ(weir_child_spawn(&loop, &child.handle, &child.fd, &options),
           UV_E2BIG);
  free(huge);

  /* Options out of range. */
  const char *arguments[] = {"true", NULL};
  const char *none[] = {NULL};
  const char *empty[] = {"", NULL};
  options = test_child_options(&child, arguments);
  options.size--;
  CHECK_EQ(weir_child_spawn(&loop, &child.handle, &child.fd, &options),
           WEIR_EOPTION);
  CHECK_EQ(weir_child_spawn(&loop, &child.handle, &child.fd, NULL),
           WEIR_EOPTION);
  options = test_child_options(&child, none);
  CHECK_EQ(weir_child_spawn(&loop, &child.handle, &child.fd, &options),
           WEIR_EOPTION);
  options = test_child_options(&child, empty);
  CHECK_EQ(weir_child_spawn(&loop, &child.handle, &child.fd, &options),
           WEIR_EOPTION);
  options = test_child_options(&child, NULL);
  CHECK_EQ(weir_child_spawn(&loop, &child.handle, &child.fd, &options),
           WEIR_EOPTION);
  options = test_child_options(&child, arguments);
  options.on_exit = NULL;
  CHECK_EQ(weir_child_spawn(&loop, &child.handle, &child.fd, &options),
           WEIR_EOPTION);

  static const char *const made[] = {"unexecutable", "text", "empty", "lost",
                                     "denied"};
  for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
    snprintf(path, sizeof path, "%s/%s", directory, made[i]);
    unlink(path);
  }
  rmdir(directory);
  test_close_loop(&loop);
  return 0;
}
