/* When memory ends while a source is opened, nothing is left behind and the
 * descriptor is still the caller's; running, it takes none. */
#include <sys/mman.h>

#include "source_test.h"

static test_source_t test;

static int open_kind(int kind, int fd, const weir_source_options_t *options) {
  uv_loop_t *loop = &test.bench.loop;
  if (kind == 0) return weir_source_open_fd(loop, &test.source, fd, options);
  if (kind == 1) return weir_source_open_file(loop, &test.source, fd, options);
  return weir_source_open_tone(loop, &test.source, options);
}

static int make_input(int kind, int *other) {
  static uint8_t bytes[40000];
  *other = -1;
  if (kind == 2) return -1;
  if (kind == 1) {
    int fd = memfd_create("input", MFD_CLOEXEC);
    CHECK_EQ(write(fd, bytes, sizeof bytes), sizeof bytes);
    return fd;
  }
  int ends[2];
  CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
  CHECK_EQ(write(ends[1], bytes, sizeof bytes), sizeof bytes);
  *other = ends[1];
  return ends[0];
}

static void test_failure(int kind, uint64_t n, int *failed) {
  test_source_start(&test, 65536, 4);
  test_purse_t purse = {.fail = n};
  weir_allocator_t allocator = test_allocator(&purse);
  weir_source_options_t options = test_source_options(&test);
  options.allocator = &allocator;
  int other, fd = make_input(kind, &other);
  int error = open_kind(kind, fd, &options);
  *failed = error < 0;
  if (error < 0) {
    CHECK_EQ(error, UV_ENOMEM);
    CHECK(test.source == NULL);
    test_poll(&test.bench);
    if (fd >= 0) CHECK_EQ(close(fd), 0);
  } else {
    uint64_t calls = purse.calls;
    for (int i = 0; i < 10; i++) {
      test_now += 20 * TEST_MS;
      test_settle(&test);
      weir_source_turn(test.source);
    }
    CHECK(weir_source_bytes(test.source) > 30000);
    CHECK_EQ(purse.calls, calls);
  }
  if (other >= 0) close(other);
  test_source_finish(&test);
  CHECK_EQ(purse.live, 0);
}

int main(void) {
  static const uint64_t allocations[] = {2, 3, 1};
  for (int kind = 0; kind < 3; kind++) {
    uint64_t n = 1;
    for (int failed = 1; failed; n++)
      test_failure(kind, n, &failed);
    CHECK_EQ(n - 2, allocations[kind]);
  }
  return 0;
}
