/* source_ts_test.h - what the tests of sources of transport streams share. */
#ifndef WEIR_SOURCE_TS_TEST_H
#define WEIR_SOURCE_TS_TEST_H

#include <sys/mman.h>

#include "source_test.h"
#include "track_test.h"

/* A source whose log has a track; `test.bench` as elsewhere. */
typedef struct test_ts_source {
  test_source_t test; /* first */
  weir_track_t *track;
} test_ts_source_t;

static inline void test_ts_start(test_ts_source_t *test, size_t capacity) {
  memset(test, 0, sizeof *test);
  test_source_start(&test->test, capacity, WEIR_TS_PACKET);
  weir_track_options_t options = {.size = sizeof options,
                                  .log = test->test.bench.log,
                                  .allocator = &test->test.bench.allocator};
  CHECK_EQ(weir_track_create(&test->track, &options), 0);
}

static inline weir_source_options_t test_ts_options(test_ts_source_t *test) {
  weir_source_options_t options = test_source_options(&test->test);
  options.track = test->track;
  options.format = (weir_pcm_format_t){0};
  return options;
}

/* The track outlives source and fan-out, and goes before the log. */
static inline void test_ts_finish(test_ts_source_t *test) {
  test_bench_t *bench = &test->test.bench;
  weir_source_close(test->test.source, test_source_closed);
  weir_fanout_close(bench->fanout, NULL);
  uv_close((uv_handle_t *)&bench->alive, NULL);
  test_close_loop(&bench->loop);
  CHECK(test->test.source == NULL);
  weir_track_destroy(test->track);
  weir_log_destroy(bench->log);
  CHECK_EQ(bench->purse.live, 0);
}

/* A regular file of these bytes. */
static inline int test_file_of(const uint8_t *bytes, size_t length) {
  int fd = memfd_create("stream", MFD_CLOEXEC);
  for (size_t at = 0; at < length;) {
    ssize_t n = write(fd, bytes + at, length - at);
    CHECK(n > 0);
    at += (size_t)n;
  }
  return fd;
}

#endif
