/* Whatever sockets take, whoever comes and goes: every listener receives whole
 * units of the stream in order, and what it received and what was counted as
 * skipped add up to what was written. */
#include "fanout_test.h"
#include "scale.h"

#define STEPS     25000u
#define LISTENERS 40u

typedef struct crowd {
  test_bench_t bench;
  uint64_t seed;
  uint64_t timeout;
  weir_slow_policy_t policy;
  uint32_t unit;
  size_t capacity;
  test_sink_t *sinks[LISTENERS];
  uint64_t joined;
  uint64_t received; /* by those that are gone */
  uint64_t skipped;
  uint64_t gone[WEIR_END_REASONS];
  uint64_t resumed;
} crowd_t;

static uint64_t below(crowd_t *crowd, uint64_t bound) {
  return test_random(&crowd->seed) % bound;
}

static void on_hold(weir_fanout_t *fanout, int hold) {
  test_bench_t *bench = weir_fanout_data(fanout);
  crowd_t *crowd = (crowd_t *)bench;
  CHECK_EQ(weir_fanout_is_held(fanout), hold);
  CHECK_EQ(crowd->policy, WEIR_SLOW_PAUSE);
  if (!hold) crowd->resumed++;
}

static weir_transform_t any_transform(crowd_t *crowd) {
  for (;;) {
    uint32_t pick = (uint32_t)below(crowd, 4);
    if (pick == 0 || crowd->unit % (pick + 1) == 0)
      return (weir_transform_t)pick;
  }
}

static void join(crowd_t *crowd) {
  uint32_t at = (uint32_t)below(crowd, LISTENERS);
  if (crowd->sinks[at] != NULL) return;
  uint64_t position = WEIR_FANOUT_NEWEST;
  if (below(crowd, 2) == 0) {
    uint64_t tail = weir_log_tail(crowd->bench.log);
    uint64_t units = (weir_log_head(crowd->bench.log) - tail) / crowd->unit;
    position = tail + below(crowd, units + 1) * crowd->unit;
  }
  size_t preamble = below(crowd, 2) == 0
                        ? 0
                        : (size_t)below(crowd, WEIR_FANOUT_PREAMBLE_MAX + 1);
  test_sink_t *sink = malloc(sizeof *sink);
  CHECK_EQ(
      test_add(&crowd->bench, sink, position, preamble, any_transform(crowd)),
      0);
  crowd->sinks[at] = sink;
  crowd->joined++;
}

/* How much it takes from now on: all, nothing, a little, a bit at a time. */
static void change_mind(crowd_t *crowd) {
  test_sink_t *sink = crowd->sinks[below(crowd, LISTENERS)];
  if (sink == NULL) return;
  sink->appetite = UINT64_MAX;
  sink->bite = 0;
  switch (below(crowd, 6)) {
    case 0:
      sink->appetite = 0;
      break;
    case 1:
      sink->appetite = below(crowd, 4 * crowd->unit);
      break;
    case 2:
      sink->appetite = below(crowd, crowd->capacity);
      break;
    case 3:
      sink->bite = 1 + below(crowd, 3 * crowd->unit);
      break;
    case 4:
      if (below(crowd, 20) == 0)
        sink->error = below(crowd, 2) == 0 ? UV_EPIPE : UV_EIO;
      break;
    default:
      break;
  }
}

static void write_some(crowd_t *crowd) {
  weir_log_t *log = crowd->bench.log;
  size_t most =
      below(crowd, 50) == 0 ? 2 * crowd->capacity : crowd->capacity / 16;
  uint64_t wanted = 1 + below(crowd, most);
  uint64_t room = weir_fanout_room(crowd->bench.fanout, wanted);
  if (crowd->policy != WEIR_SLOW_PAUSE) CHECK(room == UINT64_MAX);
  CHECK(room == 0 || room >= wanted || room >= crowd->capacity / 4);
  if (room == 0) {
    CHECK(weir_fanout_is_held(crowd->bench.fanout));
    return;
  }
  test_append(log, wanted < room ? wanted : room);
  if (below(crowd, 64) == 0) (void)weir_log_trim(log); /* the source restarts */
  weir_fanout_published(crowd->bench.fanout);
}

static void check_reason(crowd_t *crowd, const test_sink_t *sink) {
  switch (sink->reason) {
    case WEIR_END_STALLED:
      CHECK(test_now - sink->last_bite >= crowd->timeout);
      break;
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
  for (uint32_t i = 0; i < LISTENERS; i++) {
    test_sink_t *sink = crowd->sinks[i];
    if (sink == NULL || !sink->ended) continue;
    check_reason(crowd, sink);
    if (crowd->policy != WEIR_SLOW_SKIP) CHECK_EQ(sink->last.skips, 0);
    crowd->received += sink->last.sent_bytes;
    crowd->skipped += sink->last.skipped_bytes;
    crowd->gone[sink->reason]++;
    free(sink);
    crowd->sinks[i] = NULL;
  }
}

typedef struct sums {
  uint64_t sent;
  uint64_t skipped;
  uint32_t listeners;
} sums_t;

static void add_up(void *context, const weir_listener_info_t *who) {
  sums_t *sums = context;
  test_check_account(who->data, who);
  sums->sent += who->sent_bytes;
  sums->skipped += who->skipped_bytes;
  sums->listeners++;
}

static void check_counters(crowd_t *crowd) {
  weir_fanout_counters_t counters;
  sums_t sums = {crowd->received, crowd->skipped, 0};
  weir_fanout_counters(crowd->bench.fanout, &counters);
  weir_fanout_each(crowd->bench.fanout, add_up, &sums);
  CHECK_EQ(counters.joined, crowd->joined);
  CHECK_EQ(counters.sent_bytes, sums.sent);
  CHECK_EQ(counters.skipped_bytes, sums.skipped);
  CHECK_EQ(counters.listeners, sums.listeners);
  for (int i = 0; i < WEIR_END_REASONS; i++)
    CHECK_EQ(counters.ended[i], crowd->gone[i]);
  CHECK(counters.holds - crowd->resumed <= 1);
}

static void step(crowd_t *crowd) {
  switch (below(crowd, 12)) {
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
      test_pass(&crowd->bench, below(crowd, 60 * TEST_MS));
      break;
    case 10:
      if (below(crowd, 40) == 0) {
        test_sink_t *sink = crowd->sinks[below(crowd, LISTENERS)];
        if (sink != NULL) {
          CHECK_EQ(weir_fanout_kick(crowd->bench.fanout, sink->id), 0);
          CHECK_EQ(sink->reason, WEIR_END_KICKED);
        }
      }
      break;
    default:
      if (below(crowd, 100) == 0) {
        static const uint64_t windows[] = {0, 5 * TEST_MS, 20 * TEST_MS,
                                           500 * TEST_MS};
        CHECK_EQ(weir_fanout_set_window(crowd->bench.fanout,
                                        windows[below(crowd, 4)]),
                 0);
      }
      break;
  }
}

static void run(weir_slow_policy_t policy, uint32_t unit, size_t capacity,
                uint64_t window, uint64_t steps) {
  static crowd_t crowd;
  crowd = (crowd_t){.seed = capacity + unit, .policy = policy, .unit = unit};
  test_bench_open(&crowd.bench, capacity, unit);
  crowd.capacity = weir_log_capacity(crowd.bench.log);
  crowd.timeout = 4 * TEST_SECOND;
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
  if (policy == WEIR_SLOW_PAUSE) CHECK(crowd.resumed > 10);
  CHECK(crowd.gone[WEIR_END_STALLED] > 0 || policy == WEIR_SLOW_DISCONNECT);
  CHECK(crowd.gone[WEIR_END_LAG] > 0 || policy == WEIR_SLOW_PAUSE);
  if (getenv("WEIR_VERBOSE") != NULL) {
    fprintf(stderr, "policy %d unit %u: %" PRIu64 " joined, ", policy, unit,
            crowd.joined);
    for (int i = 0; i < WEIR_END_REASONS; i++)
      fprintf(stderr, "%s %" PRIu64 " ",
              weir_end_reason_name((weir_end_reason_t)i), crowd.gone[i]);
    fprintf(stderr,
            "received %" PRIu64 " skipped %" PRIu64 " held %" PRIu64 "\n",
            crowd.received, crowd.skipped, crowd.resumed);
  }
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
