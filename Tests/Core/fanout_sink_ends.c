/* A sink may end its own listener, or close the fan-out, from its write, also
 * when it takes part of what it is offered. */
#include "fanout_test.h"

static test_bench_t bench;
static uint64_t id;
static int closes_fanout, closed;
static int64_t takes;

static int64_t deadly_write(void *context, int fd, const struct iovec *iov,
                            int count) {
  (void)context;
  (void)fd;
  (void)iov;
  (void)count;
  if (closes_fanout)
    weir_fanout_close(bench.fanout, NULL);
  else
    CHECK_EQ(weir_fanout_kick(bench.fanout, id), 0);
  return takes;
}

static void close_sink(void *context, int fd, int clean) {
  (void)context;
  (void)clean;
  closed++;
  CHECK_EQ(close(fd), 0);
}

static const weir_sink_t deadly = {.write = deadly_write, .close = close_sink};

static void test_takes(int64_t result, int whole) {
  test_bench_open(&bench, 65536, 4);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.on_end = NULL;
  options.on_skip = NULL;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  weir_listener_options_t listener = {.size = sizeof listener,
                                      .fd = eventfd(0, EFD_NONBLOCK),
                                      .sink = &deadly,
                                      .position = WEIR_FANOUT_NEWEST};
  CHECK_EQ(weir_fanout_add(bench.fanout, &listener, &id), 0);
  closes_fanout = whole;
  closed = 0;
  takes = result;
  test_publish(&bench, 4000);
  test_pass(&bench, 50 * TEST_MS);
  CHECK_EQ(closed, 1);
  if (!whole) {
    weir_fanout_counters_t counters;
    weir_fanout_counters(bench.fanout, &counters);
    CHECK_EQ(counters.listeners, 0);
    CHECK_EQ(counters.ended[WEIR_END_KICKED], 1);
    test_bench_close(&bench);
    return;
  }
  uv_close((uv_handle_t *)&bench.alive, NULL);
  test_close_loop(&bench.loop);
  weir_log_destroy(bench.log);
  CHECK_EQ(bench.purse.live, 0);
}

int main(void) {
  for (int whole = 0; whole < 2; whole++) {
    test_takes(4000, whole);
    test_takes(1001, whole);
    test_takes(UV_EAGAIN, whole);
    test_takes(UV_EPIPE, whole);
  }
  return 0;
}
