/* A source that writes as fast as the loop turns, with a hundred listeners of
 * whom half take nothing: the other half is served all the same, evenly. */
#include "fanout_test.h"

#define LISTENERS 100u
#define TURNS     2000u
#define STEP      262144u

typedef struct copying_sink {
  uint64_t taken;
  uint64_t writes;
  int stalls;
} copying_sink_t;

static test_bench_t bench;
static copying_sink_t sinks[LISTENERS];
static uint8_t socket_memory[WEIR_FANOUT_SEND_MAX];

/* Costs more than a socket, so that a burst reaches some of them only. */
static int64_t copy_write(void *context, int fd, const struct iovec *iov,
                          int count) {
  (void)fd;
  copying_sink_t *sink = context;
  size_t length = 0;
  sink->writes++;
  if (sink->stalls) return UV_EAGAIN;
  for (int i = 0; i < count; i++) {
    for (int k = 0; k < 8; k++)
      memcpy(socket_memory + length, iov[i].iov_base, iov[i].iov_len);
    length += iov[i].iov_len;
  }
  sink->taken += length;
  return (int64_t)length;
}

static void copy_close(void *context, int fd, int clean) {
  (void)context;
  (void)clean;
  CHECK_EQ(close(fd), 0);
}

static const weir_sink_t copying = {.write = copy_write, .close = copy_close};

static void write_all(size_t wanted) {
  while (wanted > 0) {
    void *memory;
    size_t run = weir_log_reserve(bench.log, wanted, &memory);
    memset(memory, 1, run);
    CHECK_EQ(weir_log_commit(bench.log, run), 0);
    wanted -= run;
  }
  weir_fanout_published(bench.fanout);
}

static void join_all(void) {
  memset(sinks, 0, sizeof sinks);
  for (uint32_t i = 0; i < LISTENERS; i++) {
    uint64_t id;
    sinks[i].stalls = i % 2;
    weir_listener_options_t options = {.size = sizeof options,
                                       .fd = eventfd(0, EFD_NONBLOCK),
                                       .sink = &copying,
                                       .sink_context = &sinks[i],
                                       .position = WEIR_FANOUT_NEWEST};
    CHECK_EQ(weir_fanout_add(bench.fanout, &options, &id), 0);
  }
}

static void test_flat_out(uint64_t window) {
  test_bench_open(&bench, 1 << 20, 4);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.clock = NULL;
  options.on_end = NULL;
  options.on_skip = NULL;
  options.window = window;
  options.window_is_zero = window == 0;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  join_all();
  uint64_t calls = bench.purse.calls;
  for (uint32_t i = 0; i < TURNS; i++) {
    write_all(STEP);
    test_poll(&bench);
  }
  CHECK_EQ(bench.purse.calls, calls);
  uint64_t least = UINT64_MAX, most = 0;
  for (uint32_t i = 0; i < LISTENERS; i += 2) {
    if (sinks[i].taken < least) least = sinks[i].taken;
    if (sinks[i].taken > most) most = sinks[i].taken;
    CHECK_EQ(sinks[i + 1].taken, 0);
  }
  weir_fanout_counters_t counters;
  weir_fanout_counters(bench.fanout, &counters);
  if (getenv("WEIR_VERBOSE") != NULL)
    fprintf(stderr, "least %" PRIu64 " most %" PRIu64 " skips %" PRIu64 "\n",
            least, most, counters.skips);
  CHECK(least > 20 * STEP);
  CHECK(most < 2 * least);
  test_bench_close(&bench);
}

int main(void) {
  test_flat_out(50 * TEST_MS);
  test_flat_out(0);
  return 0;
}
