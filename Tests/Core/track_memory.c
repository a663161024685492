/* A track and its sources take their memory when they are opened, and when it
 * ends anywhere, nothing is left behind. */
#include <netinet/in.h>

#include "source_ts_test.h"

#define PACKETS 20000u

static test_ts_source_t ts;
static test_source_t *const test = &ts.test;
static uint8_t stream[PACKETS * WEIR_TS_PACKET];

static int open_track(void) {
  weir_track_options_t options = {.size = sizeof options,
                                  .log = test->bench.log,
                                  .allocator = &test->bench.allocator};
  weir_track_t *track = NULL;
  int error = weir_track_create(&track, &options);
  weir_track_destroy(track);
  return error;
}

static int finish_open(int error, int fd) {
  if (error < 0) {
    CHECK_EQ(close(fd), 0); /* it is still the caller's */
    return error;
  }
  weir_source_close(test->source, test_source_closed);
  while (!test->closed)
    test_poll(&test->bench);
  test->closed = 0;
  return 0;
}

static int open_pipe(void) {
  int ends[2];
  weir_source_options_t options = test_ts_options(&ts);
  CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
  int error =
      weir_source_open_fd(&test->bench.loop, &test->source, ends[0], &options);
  CHECK_EQ(close(ends[1]), 0);
  return finish_open(error, ends[0]);
}

static int open_file(void) {
  weir_source_options_t options = test_ts_options(&ts);
  int fd = test_file_of(stream, 1000 * WEIR_TS_PACKET);
  return finish_open(
      weir_source_open_file(&test->bench.loop, &test->source, fd, &options),
      fd);
}

static int open_udp(void) {
  weir_source_options_t options = test_ts_options(&ts);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  return finish_open(
      weir_source_open_udp(&test->bench.loop, &test->source, fd, &options), fd);
}

/* The n-th allocation fails, for every n. */
static void test_failures(int (*open)(void), uint64_t least) {
  test_ts_start(&ts, 1 << 20);
  test_purse_t *purse = &test->bench.purse;
  uint64_t n = 1;
  for (;; n++) {
    uint64_t live = purse->live;
    purse->fail = purse->calls + n;
    int error = open();
    purse->fail = 0;
    test_poll(&test->bench); /* handles close */
    CHECK_EQ(purse->live, live);
    if (error == 0) break;
    CHECK_EQ(error, UV_ENOMEM);
  }
  CHECK(n > least);
  test_ts_finish(&ts);
}

/* Whatever passes, gaps, changes of the programme and joins among it. */
static void test_data_path(void) {
  static weir_track_join_t join;
  test_mux_t mux = test_mux(2000);
  test_ts_start(&ts, 1 << 20);
  uint64_t calls = test->bench.purse.calls;
  for (int i = 0; i < 20; i++) {
    mux.version = (uint8_t)(i / 3);
    size_t length = test_mux_fill(&mux, stream, PACKETS / 4);
    CHECK(weir_track_push(ts.track, stream, length) >= 0);
    weir_track_join(ts.track, i, &join);
    if (i % 4 == 2) weir_track_gap(ts.track);
    if (i % 4 == 3) weir_track_splice(ts.track);
  }
  CHECK_EQ(test->bench.purse.calls, calls);
  test_ts_finish(&ts);
}

int main(void) {
  test_failures(open_track, 4);
  test_failures(open_pipe, 2);
  test_failures(open_file, 5);
  test_failures(open_udp, 2);
  test_data_path();
  return 0;
}
