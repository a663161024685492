/* In one turn of the loop a fan-out makes at most WEIR_FANOUT_BURST_SENDS
 * writes, whatever makes listeners ready; and everybody is served. */
#include <sys/timerfd.h>

#include "fanout_test.h"

#define LISTENERS 1000u
/* The least power of two of 128, 256 or 512 or fewer each, by the window. */
#define SLOTS         8u
#define LONG_SLOTS    4u
#define LONGEST_SLOTS 2u

typedef struct counting_sink {
  uint64_t taken;
  uint64_t bite; /* most bytes at a time; 0: all */
  int refuses;   /* every other time */
  uint64_t id;
} counting_sink_t;

static test_bench_t bench;
static counting_sink_t sinks[LISTENERS];
static uint64_t writes_in_turn;
static uint64_t most_in_turn;
static uint64_t turns;

static int64_t count_write(void *context, int fd, const struct iovec *iov,
                           int count) {
  (void)fd;
  counting_sink_t *sink = context;
  writes_in_turn++;
  uint64_t offered = 0;
  for (int i = 0; i < count; i++)
    offered += iov[i].iov_len;
  if (sink->bite != 0 && offered > sink->bite) offered = sink->bite;
  sink->taken += offered;
  return (int64_t)offered;
}

static void count_close(void *context, int fd, int clean) {
  (void)context;
  (void)clean;
  CHECK_EQ(close(fd), 0);
}

static const weir_sink_t counting = {.write = count_write,
                                     .close = count_close};

/* Between two polls of the loop. */
static void on_prepare(uv_prepare_t *prepare) {
  (void)prepare;
  if (most_in_turn < writes_in_turn) most_in_turn = writes_in_turn;
  writes_in_turn = 0;
  turns++;
}

static void open_bench(uint64_t window, uv_prepare_t *prepare) {
  memset(sinks, 0, sizeof sinks);
  most_in_turn = writes_in_turn = turns = 0;
  test_bench_open(&bench, 1 << 20, 4);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.clock = NULL;
  options.on_end = NULL;
  options.on_skip = NULL;
  options.window = window;
  options.window_is_zero = window == 0;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  uv_prepare_init(&bench.loop, prepare);
  uv_prepare_start(prepare, on_prepare);
}

static void join_all(uint64_t position) {
  for (uint32_t i = 0; i < LISTENERS; i++) {
    weir_listener_options_t options = {.size = sizeof options,
                                       .fd = eventfd(0, EFD_NONBLOCK),
                                       .sink = &counting,
                                       .sink_context = &sinks[i],
                                       .position = position};
    CHECK_EQ(weir_fanout_add(bench.fanout, &options, &sinks[i].id), 0);
  }
}

static int all_have(uint64_t bytes) {
  for (uint32_t i = 0; i < LISTENERS; i++)
    if (sinks[i].taken < bytes) return 0;
  return 1;
}

/* As many slots as keep each within a burst, and a step of the timer each. */
static void check_slots(uint64_t window) {
  struct itimerspec when;
  uint32_t count = bench.fanout->phase.count;
  CHECK_EQ(count, window < WEIR__PHASE_LONG      ? SLOTS
                  : window < WEIR__PHASE_LONGEST ? LONG_SLOTS
                                                 : LONGEST_SLOTS);
  CHECK_EQ(timerfd_gettime(bench.fanout->timer_fd, &when), 0);
  CHECK(bench.fanout->armed);
  CHECK_EQ(when.it_interval.tv_nsec, window / count);
}

static void wait_for(uint64_t bytes) {
  while (!all_have(bytes))
    test_poll(&bench);
  for (uint32_t i = 0; i < LISTENERS; i++)
    CHECK_EQ(sinks[i].taken, bytes);
  test_poll(&bench);
  CHECK(most_in_turn > 0 && most_in_turn <= WEIR_FANOUT_BURST_SENDS);
}

static void test_bursts(uint64_t window) {
  uv_prepare_t prepare;
  open_bench(window, &prepare);
  test_append(bench.log, 4000);
  /* All join at once, with something to be sent. */
  join_all(0);
  wait_for(4000);
  CHECK(turns >= LISTENERS / WEIR_FANOUT_BURST_SENDS);
  test_publish(&bench, 0); /* or it may have fallen asleep */
  check_slots(window != 0 ? window : WEIR__FANOUT_IDLE_WINDOW);
  /* All are due at once. */
  for (uint64_t i = 1; i <= 20; i++) {
    test_publish(&bench, 400);
    test_publish(&bench, 400);
    wait_for(4000 + 800 * i);
  }
  /* All sockets are writable at once. */
  for (uint32_t i = 0; i < LISTENERS; i++)
    sinks[i].bite = 100;
  test_publish(&bench, 2000);
  wait_for(22000);
  /* All are to be told another window, and sent a quarter of the ring. */
  for (uint32_t i = 0; i < LISTENERS; i++)
    sinks[i].bite = 0;
  CHECK_EQ(weir_fanout_set_window(bench.fanout, 20 * TEST_MS), 0);
  test_publish(&bench, 300000);
  wait_for(322000);
  uv_close((uv_handle_t *)&prepare, NULL);
  test_bench_close(&bench);
}

/* An end with something to be sent to each is no longer a burst. */
static void test_end(void) {
  uv_prepare_t prepare;
  weir_fanout_counters_t counters;
  open_bench(500 * TEST_MS, &prepare);
  join_all(WEIR_FANOUT_NEWEST);
  for (int i = 0; i < 20; i++)
    test_poll(&bench);
  most_in_turn = 0;
  test_publish(&bench, 4000);
  weir_fanout_end(bench.fanout, WEIR_END_KICKED);
  do {
    test_poll(&bench);
    weir_fanout_counters(bench.fanout, &counters);
  } while (counters.listeners > 0);
  CHECK_EQ(counters.ended[WEIR_END_KICKED], LISTENERS);
  CHECK(all_have(4000));
  test_poll(&bench);
  CHECK(most_in_turn > 0 && most_in_turn <= WEIR_FANOUT_BURST_SENDS);
  uv_close((uv_handle_t *)&prepare, NULL);
  test_bench_close(&bench);
}

int main(void) {
  test_end();
  test_bursts(5 * TEST_MS);
  test_bursts(0);
  return 0;
}
