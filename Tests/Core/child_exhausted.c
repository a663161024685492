/* Without memory or descriptors a start fails with its reason, wherever it
 * meets the end of them, and leaves nothing behind. */
#include "child_test.h"

typedef struct budget {
  int allowed;
  int held;
} budget_t;

static void *allocate(void *context, size_t bytes) {
  budget_t *budget = context;
  if (budget->allowed == 0) return NULL;
  budget->allowed--;
  budget->held++;
  return malloc(bytes);
}

static void release(void *context, void *pointer, size_t bytes) {
  (void)bytes;
  ((budget_t *)context)->held--;
  free(pointer);
}

static uv_loop_t loop;
static budget_t budget;

static int spawn(test_child_t *child) {
  static const char *const arguments[] = {"true", NULL};
  weir_allocator_t allocator = {allocate, release, &budget};
  weir_child_options_t options = test_child_options(child, arguments);
  options.allocator = &allocator;
  return weir_child_spawn(&loop, &child->handle, &child->fd, &options);
}

static void finish(test_child_t *child) {
  test_run_until(&loop, &child->exits);
  CHECK_EQ(child->how.status, 0);
  test_close_child(&loop, child);
  CHECK_EQ(budget.held, 0);
}

static void test_memory(void) {
  test_child_t child;
  int failures = 0;
  for (;; failures++) {
    budget = (budget_t){failures, 0};
    int status = spawn(&child);
    if (status == 0) break;
    CHECK_EQ(status, UV_ENOMEM);
    CHECK_EQ(budget.held, 0);
    test_no_child_left();
  }
  CHECK_EQ(failures, 2);
  finish(&child);
}

static void test_descriptors(void) {
  int before = test_count_descriptors();
  int lowest = dup(0); /* that is free; none above it is in use */
  close(lowest);
  struct rlimit limit;
  CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  test_child_t child;
  int failures = 0;
  for (;; failures++) {
    budget = (budget_t){100, 0};
    struct rlimit low = {(rlim_t)(lowest + failures), limit.rlim_max};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
    int status = spawn(&child);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (status == 0) break;
    CHECK_EQ(status, UV_EMFILE);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_EQ(budget.held, 0);
    CHECK_EQ(test_count_descriptors(), before);
    test_no_child_left();
  }
  /* Two pipes, /dev/null and the report's pipe. */
  CHECK_EQ(failures, 7);
  finish(&child);
  CHECK_EQ(test_count_descriptors(), before);
}

int main(void) {
  CHECK_EQ(uv_loop_init(&loop), 0);
  for (int fd = 0; fd < 512; fd++) /* no gap, whatever the test was given */
    if (fcntl(fd, F_GETFD) < 0) CHECK(open("/dev/null", O_RDONLY) == fd);
  budget = (budget_t){100, 0};
  test_child_t first; /* whatever the loop opens when it first turns */
  CHECK_EQ(spawn(&first), 0);
  finish(&first);
  test_memory();
  test_descriptors();
  test_close_loop(&loop);
  return 0;
}
