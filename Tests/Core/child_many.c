/* Children one after the other, and many at once, leave neither descriptors
 * nor memory nor zombies. */
#include "child_test.h"

enum { AT_ONCE = 40 };

static uv_loop_t loop;

static void run_one(void) {
  const char *arguments[] = {"true", NULL};
  test_child_t child;
  weir_child_options_t options = test_child_options(&child, arguments);
  test_spawn(&loop, &child, &options);
  test_run_until(&loop, &child.exits);
  CHECK_EQ(child.how.status, 0);
  test_close_child(&loop, &child);
}

static void run_at_once(void) {
  static test_child_t children[AT_ONCE];
  char script[AT_ONCE][32];
  for (int i = 0; i < AT_ONCE; i++) {
    snprintf(script[i], sizeof script[i], "echo e%d >&2; exit %d", i, i);
    const char *arguments[] = {"sh", "-c", script[i], NULL};
    weir_child_options_t options = test_child_options(&children[i], arguments);
    test_spawn(&loop, &children[i], &options);
  }
  for (int i = 0; i < AT_ONCE; i++) {
    test_run_until(&loop, &children[i].exits);
    CHECK_EQ(children[i].how.status, i);
    CHECK_EQ(children[i].lines, 1);
    CHECK_EQ(atoi(children[i].line + 1), i);
  }
  for (int i = 0; i < AT_ONCE; i++)
    test_close_child(&loop, &children[i]);
}

int main(void) {
  CHECK_EQ(uv_loop_init(&loop), 0);
  for (int i = 0; i < 20; i++)
    run_one();
  run_at_once();
  int descriptors = test_count_descriptors();
  long resident = test_resident();
  for (int i = 0; i < 200 * test_scale(); i++)
    run_one();
  run_at_once();
  CHECK_EQ(test_count_descriptors(), descriptors);
  test_no_child_left();
  if (!TEST_SANITIZED) CHECK(test_resident() - resident < 256 << 10);
  test_close_loop(&loop);
  return 0;
}
