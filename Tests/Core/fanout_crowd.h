/*
 * fanout_crowd.h - a crowd of listeners that comes, goes and changes its mind,
 * and the sums that have to be right whatever it does.
 */
#ifndef WEIR_FANOUT_CROWD_H
#define WEIR_FANOUT_CROWD_H

#include "fanout_test.h"
#include "scale.h"

#define TEST_CROWD_MAX 40u

typedef struct test_crowd {
  test_bench_t bench; /* first: of a fan-out's data */
  uint64_t seed;
  uint64_t timeout;
  uint64_t capacity;
  weir_slow_policy_t policy;
  uint32_t unit;
  uint32_t seats; /* listeners at a time, TEST_CROWD_MAX at most */
  test_sink_t *sinks[TEST_CROWD_MAX];
  uint64_t joined;
  uint64_t received; /* by those that are gone */
  uint64_t skipped;
  uint64_t gone[WEIR_END_REASONS];
} test_crowd_t;

static inline uint64_t test_crowd_below(test_crowd_t *crowd, uint64_t bound) {
  return test_random(&crowd->seed) % bound;
}

/* Any unit that the log has. */
static inline uint64_t test_crowd_position(test_crowd_t *crowd) {
  uint64_t tail = weir_log_tail(crowd->bench.log);
  uint64_t units = (weir_log_head(crowd->bench.log) - tail) / crowd->unit;
  return tail + test_crowd_below(crowd, units + 1) * crowd->unit;
}

/* A seat that may be free. */
static inline test_sink_t **test_crowd_seat(test_crowd_t *crowd) {
  return &crowd->sinks[test_crowd_below(crowd, crowd->seats)];
}

static inline void test_crowd_join(test_crowd_t *crowd, test_sink_t **seat,
                                   uint64_t position, size_t preamble,
                                   weir_transform_t transform) {
  *seat = malloc(sizeof **seat);
  CHECK_EQ(test_add(&crowd->bench, *seat, position, preamble, transform), 0);
  crowd->joined++;
}

/* Counts those that have ended, and forgets them; `look` sees each before. */
static inline void test_crowd_bury(test_crowd_t *crowd,
                                   void (*look)(const test_crowd_t *crowd,
                                                const test_sink_t *sink)) {
  for (uint32_t i = 0; i < crowd->seats; i++) {
    test_sink_t *sink = crowd->sinks[i];
    if (sink == NULL || !sink->ended) continue;
    if (sink->reason == WEIR_END_STALLED)
      CHECK(test_now - sink->last_bite >= crowd->timeout);
    look(crowd, sink);
    crowd->received += sink->last.sent_bytes;
    crowd->skipped += sink->last.skipped_bytes;
    crowd->gone[sink->reason]++;
    free(sink);
    crowd->sinks[i] = NULL;
  }
}

typedef struct test_sums {
  uint64_t sent;
  uint64_t skipped;
  uint32_t listeners;
} test_sums_t;

static inline void test_crowd_add_up(void *context,
                                     const weir_listener_info_t *who) {
  test_sums_t *sums = context;
  test_check_account(who->data, who);
  sums->sent += who->sent_bytes;
  sums->skipped += who->skipped_bytes;
  sums->listeners++;
}

/* After those that have ended were buried. */
static inline weir_fanout_counters_t test_crowd_check(
    const test_crowd_t *crowd) {
  weir_fanout_counters_t counters;
  test_sums_t sums = {crowd->received, crowd->skipped, 0};
  weir_fanout_counters(crowd->bench.fanout, &counters);
  weir_fanout_each(crowd->bench.fanout, test_crowd_add_up, &sums);
  CHECK_EQ(counters.joined, crowd->joined);
  CHECK_EQ(counters.sent_bytes, sums.sent);
  CHECK_EQ(counters.skipped_bytes, sums.skipped);
  CHECK_EQ(counters.listeners, sums.listeners);
  for (int i = 0; i < WEIR_END_REASONS; i++)
    CHECK_EQ(counters.ended[i], crowd->gone[i]);
  return counters;
}

/* With WEIR_VERBOSE: how it went. */
static inline int test_crowd_print(const test_crowd_t *crowd) {
  if (getenv("WEIR_VERBOSE") == NULL) return 0;
  fprintf(stderr, "policy %d unit %u: %" PRIu64 " joined, ", crowd->policy,
          crowd->unit, crowd->joined);
  for (int i = 0; i < WEIR_END_REASONS; i++)
    fprintf(stderr, "%s %" PRIu64 ", ",
            weir_end_reason_name((weir_end_reason_t)i), crowd->gone[i]);
  fprintf(stderr, "received %" PRIu64 " skipped %" PRIu64, crowd->received,
          crowd->skipped);
  return 1;
}

#endif
