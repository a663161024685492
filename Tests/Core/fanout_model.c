/* Whatever sockets take, whoever comes and goes: every listener receives whole
 * units of the stream in order, and what it received and what was counted as
 * skipped add up to what was written. */
#include "fanout_crowd.h"

#define STEPS 25000u

typedef test_crowd_t crowd_t;

static uint64_t resumed; /* times that the source was */

static void on_hold(weir_fanout_t *fanout, int hold) {
  test_bench_t *bench = weir_fanout_data(fanout);
  crowd_t *crowd = (crowd_t *)bench;
  CHECK_EQ(weir_fanout_is_held(fanout), hold);
  CHECK_EQ(crowd->policy, WEIR_SLOW_PAUSE);
  if (!hold) resumed++;
}

static weir_transform_t any_transform(crowd_t *crowd) {
  for (;;) {
    uint32_t pick = (uint32_t)test_crowd_below(crowd, 4);
    if (pick == 0 || crowd->unit % (pick + 1) == 0)
      return (weir_transform_t)pick;
  }
}

static void join(crowd_t *crowd) {
  test_sink_t **seat = test_crowd_seat(crowd);
  if (*seat != NULL) return;
  uint64_t position = WEIR_FANOUT_NEWEST;
  if (test_crowd_below(crowd, 2) == 0) position = test_crowd_position(crowd);
  size_t preamble = 0;
  if (test_crowd_below(crowd, 2) != 0)
    preamble = (size_t)test_crowd_below(crowd, WEIR_FANOUT_PREAMBLE_MAX + 1);
  test_crowd_join(crowd, seat, position, preamble, any_transform(crowd));
}

/* How much it takes from now on: all, nothing, a little, a bit at a time. */
static void change_mind(crowd_t *crowd) {
  test_sink_t *sink = *test_crowd_seat(crowd);
  if (sink == NULL) return;
  sink->appetite = UINT64_MAX;
  sink->bite = 0;
  switch (test_crowd_below(crowd, 6)) {
    case 0:
      sink->appetite = 0;
      break;
    case 1:
      sink->appetite = test_crowd_below(crowd, 4 * crowd->unit);
      break;
    case 2:
      sink->appetite = test_crowd_below(crowd, crowd->capacity);
      break;
    case 3:
      sink->bite = 1 + test_crowd_below(crowd, 3 * crowd->unit);
      break;
    case 4:
      if (test_crowd_below(crowd, 20) == 0)
        sink->error = test_crowd_below(crowd, 2) == 0 ? UV_EPIPE : UV_EIO;
      break;
    default:
      break;
  }
}

static void write_some(crowd_t *crowd) {
  weir_log_t *log = crowd->bench.log;
  size_t most = test_crowd_below(crowd, 50) == 0 ? 2 * crowd->capacity
                                                 : crowd->capacity / 16;
  uint64_t wanted = 1 + test_crowd_below(crowd, most);
  uint64_t room = weir_fanout_room(crowd->bench.fanout, wanted);
  if (crowd->policy != WEIR_SLOW_PAUSE) CHECK(room == UINT64_MAX);
  CHECK(room == 0 || room >= wanted || room >= crowd->capacity / 4);
  if (room == 0) {
    CHECK(weir_fanout_is_held(crowd->bench.fanout));
    return;
  }
  test_append(log, wanted < room ? wanted : room);
  if (test_crowd_below(crowd, 64) == 0)
    (void)weir_log_trim(log); /* the source restarts */
  weir_fanout_published(crowd->bench.fanout);
}

static void check_reason(const crowd_t *crowd, const test_sink_t *sink) {
  if (crowd->policy != WEIR_SLOW_SKIP) CHECK_EQ(sink->last.skips, 0);
  switch (sink->reason) {
    case WEIR_END_LAG:
      if (crowd->policy == WEIR_SLOW_SKIP) CHECK(sink->last.skips > 0);
      break;
    case WEIR_END_CLOSED:
      CHECK_EQ(sink->end_error, UV_EPIPE);
      break;
    case WEIR_END_ERROR:
      CHECK_EQ(sink->end_error, UV_EIO);
      break;
    default:
      CHECK_EQ(sink->end_error, 0);
      break;
  }
  int unclean =
      sink->reason == WEIR_END_ERROR || sink->reason == WEIR_END_CLOSED;
  CHECK_EQ(sink->clean, !unclean);
}

static void bury(crowd_t *crowd) {
  test_crowd_bury(crowd, check_reason);
}

static void check_counters(crowd_t *crowd) {
  CHECK(test_crowd_check(crowd).holds - resumed <= 1);
}

static void step(crowd_t *crowd) {
  switch (test_crowd_below(crowd, 12)) {
    case 0:
      join(crowd);
      break;
    case 1:
    case 2:
      change_mind(crowd);
      break;
    case 3:
    case 4:
    case 5:
    case 6:
      write_some(crowd);
      break;
    case 7:
      test_poll(&crowd->bench);
      break;
    case 8:
    case 9:
      test_pass(&crowd->bench, test_crowd_below(crowd, 60 * TEST_MS));
      break;
    case 10:
      if (test_crowd_below(crowd, 40) == 0) {
        test_sink_t *sink = *test_crowd_seat(crowd);
        if (sink != NULL) {
          CHECK_EQ(weir_fanout_kick(crowd->bench.fanout, sink->id), 0);
          CHECK_EQ(sink->reason, WEIR_END_KICKED);
        }
      }
      break;
    default:
      if (test_crowd_below(crowd, 100) == 0) {
        static const uint64_t windows[] = {0, 5 * TEST_MS, 20 * TEST_MS,
                                           500 * TEST_MS};
        CHECK_EQ(weir_fanout_set_window(crowd->bench.fanout,
                                        windows[test_crowd_below(crowd, 4)]),
                 0);
      }
      break;
  }
}

static void run(weir_slow_policy_t policy, uint32_t unit, size_t capacity,
                uint64_t window, uint64_t steps) {
  static crowd_t crowd;
  crowd = (crowd_t){.seed = capacity + unit,
                    .timeout = 4 * TEST_SECOND,
                    .policy = policy,
                    .unit = unit,
                    .seats = TEST_CROWD_MAX};
  resumed = 0;
  test_bench_open(&crowd.bench, capacity, unit);
  crowd.capacity = weir_log_capacity(crowd.bench.log);
  weir_fanout_options_t options = test_bench_options(&crowd.bench);
  options.window = window;
  options.window_is_zero = window == 0;
  options.policy = policy;
  options.timeout = crowd.timeout;
  options.byte_rate = 192000;
  options.on_hold = on_hold;
  CHECK_EQ(weir_fanout_create(&crowd.bench.loop, &crowd.bench.fanout, &options),
           0);
  for (uint64_t i = 0; i < steps; i++) {
    step(&crowd);
    bury(&crowd);
    if (i % 64 == 0) check_counters(&crowd);
  }
  weir_fanout_end(crowd.bench.fanout, WEIR_END_SHUTDOWN);
  bury(&crowd);
  check_counters(&crowd);
  CHECK(crowd.received > 50 * crowd.capacity);
  if (policy == WEIR_SLOW_SKIP) CHECK(crowd.skipped > 50 * crowd.capacity);
  if (policy == WEIR_SLOW_PAUSE) CHECK(resumed > 10);
  CHECK(crowd.gone[WEIR_END_STALLED] > 0 || policy == WEIR_SLOW_DISCONNECT);
  CHECK(crowd.gone[WEIR_END_LAG] > 0 || policy == WEIR_SLOW_PAUSE);
  if (test_crowd_print(&crowd)) fprintf(stderr, " held %" PRIu64 "\n", resumed);
  test_bench_close(&crowd.bench);
}

int main(void) {
  uint64_t steps = STEPS * test_scale();
  run(WEIR_SLOW_SKIP, 4, 4096, 20 * TEST_MS, steps);
  run(WEIR_SLOW_SKIP, 6, 6001, 20 * TEST_MS, steps);
  run(WEIR_SLOW_SKIP, 12, 1200, 0, steps);
  run(WEIR_SLOW_SKIP, 188, 188 * 40, 50 * TEST_MS, steps);
  run(WEIR_SLOW_SKIP, 6, 400000, 20 * TEST_MS, steps / 5);
  run(WEIR_SLOW_DISCONNECT, 6, 6001, 20 * TEST_MS, steps);
  run(WEIR_SLOW_PAUSE, 4, 4096, 20 * TEST_MS, steps);
  run(WEIR_SLOW_PAUSE, 6, 96, 0, steps);
  run(WEIR_SLOW_PAUSE, 6, 300000, 20 * TEST_MS, steps);
  return 0;
}
