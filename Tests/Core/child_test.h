/*
 * child_test.h - what the tests of child processes share.
 *
 * A test that needs a program with a certain behaviour starts itself again:
 * its arguments are then a role and what belongs to it.
 */
#ifndef WEIR_CHILD_TEST_H
#define WEIR_CHILD_TEST_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* How long anything may take before the test gives up: long, as a machine may
 * be busy with other things, but less than a test is given as a whole. */
#define TEST_DEADLINE_S 240

/* Whether a sanitizer runs, whose own memory grows. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TEST_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_SANITIZED 1
#endif
#ifndef TEST_SANITIZED
#define TEST_SANITIZED 0
#endif

static char test_self[4096];

static inline void test_find_self(void) {
  ssize_t length = readlink("/proc/self/exe", test_self, sizeof test_self - 1);
  CHECK(length > 0);
}

/* What was heard of one child. */
typedef struct test_child {
  weir_child_t *handle;
  int fd; /* of its stdout */
  int exits;
  weir_child_exit_t how;
  int lines;
  int closes;
  char line[WEIR_CHILD_LINE_MAX + 1]; /* the last */
} test_child_t;

static void test_on_line(weir_child_t *handle, const char *line, size_t length,
                         uint32_t suppressed) {
  test_child_t *child = weir_child_data(handle);
  CHECK(length > 0 && length <= WEIR_CHILD_LINE_MAX);
  memcpy(child->line, line, length);
  child->line[length] = '\0';
  child->lines += 1 + (int)suppressed;
}

static void test_on_exit(weir_child_t *handle, const weir_child_exit_t *how) {
  test_child_t *child = weir_child_data(handle);
  child->exits++;
  child->how = *how;
}

static void test_on_child_closed(void *data) {
  ((test_child_t *)data)->closes++;
}

static inline weir_child_options_t test_child_options(
    test_child_t *child, const char *const *arguments) {
  memset(child, 0, sizeof *child);
  return (weir_child_options_t){
      .size = sizeof(weir_child_options_t),
      .arguments = arguments,
      .on_line = test_on_line,
      .on_exit = test_on_exit,
      .data = child,
  };
}

static inline void test_spawn(uv_loop_t *loop, test_child_t *child,
                              const weir_child_options_t *options) {
  CHECK_EQ(weir_child_spawn(loop, &child->handle, &child->fd, options), 0);
  CHECK(weir_child_pid(child->handle) > 0);
}

static void test_on_deadline(uv_timer_t *timer) {
  (void)timer;
  fprintf(stderr, "the deadline has passed\n");
  exit(1);
}

/* Turns the loop until *flag is not 0. */
static inline void test_run_until(uv_loop_t *loop, const int *flag) {
  uv_timer_t deadline;
  uv_timer_init(loop, &deadline);
  uv_timer_start(&deadline, test_on_deadline, TEST_DEADLINE_S * 1000, 0);
  while (*flag == 0)
    uv_run(loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&deadline, NULL);
  uv_run(loop, UV_RUN_NOWAIT);
}

/* Closes handle and descriptor, and waits for it. */
static inline void test_close_child(uv_loop_t *loop, test_child_t *child) {
  weir_child_close(child->handle, test_on_child_closed);
  close(child->fd);
  test_run_until(loop, &child->closes);
  CHECK_EQ(child->closes, 1);
}

/* Reads the child's stdout to its end, blocking. */
static inline size_t test_read_all(int fd, char *memory, size_t capacity) {
  CHECK_EQ(fcntl(fd, F_SETFL, 0), 0);
  size_t length = 0;
  for (;;) {
    ssize_t got = read(fd, memory + length, capacity - length);
    if (got < 0 && errno == EINTR) continue;
    CHECK(got >= 0);
    if (got == 0) return length;
    length += (size_t)got;
    CHECK(length < capacity);
  }
}

/* Reads the child's stdout, blocking, up to and without a line feed. */
static inline void test_read_line(int fd, char *line, size_t capacity) {
  CHECK_EQ(fcntl(fd, F_SETFL, 0), 0);
  for (size_t length = 0;; length++) {
    CHECK(length < capacity);
    CHECK_EQ(read(fd, line + length, 1), 1);
    if (line[length] != '\n') continue;
    line[length] = '\0';
    return;
  }
}

/* Resident memory in bytes. */
static inline long test_resident(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  long pages = 0;
  CHECK(file != NULL);
  CHECK_EQ(fscanf(file, "%*d %ld", &pages), 1);
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

/* What WEIR_SCALE multiplies counts by. */
static inline int test_scale(void) {
  const char *scale = getenv("WEIR_SCALE");
  int factor = scale == NULL ? 1 : atoi(scale);
  return factor > 0 ? factor : 1;
}

/* Open descriptors of this process. */
static inline int test_count_descriptors(void) {
  DIR *directory = opendir("/proc/self/fd");
  CHECK(directory != NULL);
  int count = -1; /* the directory's own */
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
    count += entry->d_name[0] != '.';
  closedir(directory);
  return count;
}

/* No child is left, neither running nor as a zombie. */
static inline void test_no_child_left(void) {
  CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
  CHECK_EQ(errno, ECHILD);
}

#endif
