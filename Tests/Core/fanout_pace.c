/* A joiner with a pace is sent what is free at once and the rest no faster
 * than its pace, until it has caught up; it is not slow meanwhile. */
#include "fanout_test.h"

#define UNIT 4u
#define RATE 100000u /* bytes a second of the stream */

static test_bench_t bench;
static test_sink_t sink;

static void open_bench(weir_slow_policy_t policy, uint64_t max_lag,
                       uint64_t history) {
  test_bench_open(&bench, 1000000, UNIT);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.policy = policy;
  options.max_lag = max_lag;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  test_append(bench.log, history);
}

static void join(uint64_t pace, uint64_t free_bytes) {
  memset(&sink, 0, sizeof sink);
  sink.appetite = UINT64_MAX;
  test_reader_start(&sink.reader, UNIT, 0, 0, WEIR_TRANSFORM_NONE);
  weir_listener_options_t options = {.size = sizeof options,
                                     .fd = eventfd(0, EFD_NONBLOCK),
                                     .sink = &test_sink_calls,
                                     .sink_context = &sink,
                                     .position = 0,
                                     .data = &sink,
                                     .pace = pace,
                                     .free = free_bytes};
  CHECK_EQ(weir_fanout_add(bench.fanout, &options, &sink.id), 0);
}

/* The source and the clock go on by 20 ms. */
static void go_on(void) {
  test_publish(&bench, RATE / 50);
  test_pass(&bench, 20 * TEST_MS);
}

/* One and a half times the rate of the stream: never more, and at most a
 * window's worth less, until it is there. */
static void test_paced(uint64_t free_bytes) {
  open_bench(WEIR_SLOW_SKIP, 0, 600000);
  join(RATE * 3 / 2, free_bytes);
  test_pass(&bench, 0);
  CHECK_EQ(sink.reader.received, free_bytes);
  uint64_t began = test_now, caught_up = 0;
  while (caught_up == 0) {
    go_on();
    uint64_t due =
        free_bytes + (test_now - began) * (RATE * 3 / 2) / TEST_SECOND;
    uint64_t head = weir_log_head(bench.log);
    if (sink.reader.received == head)
      caught_up = test_now;
    else
      CHECK(sink.reader.received + RATE * 3 / 2 / 40 >= due);
    CHECK(sink.reader.received <= due);
    CHECK(test_now - began < 20 * TEST_SECOND);
  }
  /* 600000 - free at half the rate faster than the stream. */
  uint64_t expected = (600000 - free_bytes) * 2 * TEST_SECOND / RATE;
  CHECK(caught_up - began >= expected - 40 * TEST_MS);
  CHECK(caught_up - began <= expected + 100 * TEST_MS);
  /* From then on like anybody else, also when it has lagged. */
  sink.appetite = 0;
  for (int i = 0; i < 50; i++)
    go_on();
  sink.appetite = UINT64_MAX;
  go_on();
  CHECK_EQ(sink.reader.received, weir_log_head(bench.log));
  test_bench_close(&bench);
}

/* No pace, and one at head already: everything at once. */
static void test_unpaced(void) {
  open_bench(WEIR_SLOW_SKIP, 0, 600000);
  join(0, 0);
  test_pass(&bench, 0);
  CHECK_EQ(sink.reader.received, 600000);
  test_bench_close(&bench);

  open_bench(WEIR_SLOW_SKIP, 0, 0);
  join(10, 0);
  test_pass(&bench, 0);
  for (int i = 0; i < 5; i++)
    go_on();
  CHECK_EQ(sink.reader.received, RATE / 10);
  test_bench_close(&bench);
}

/* What it did not take is saved up, of one second at most. */
static void test_saved_up(void) {
  open_bench(WEIR_SLOW_SKIP, 0, 600000);
  join(RATE, 0);
  sink.appetite = 0;
  for (int i = 0; i < 10; i++)
    test_pass(&bench, 20 * TEST_MS);
  sink.appetite = UINT64_MAX;
  test_pass(&bench, 0);
  CHECK_EQ(sink.reader.received, RATE / 5);
  sink.appetite = 0;
  for (int i = 0; i < 250; i++)
    test_pass(&bench, 20 * TEST_MS);
  CHECK(!sink.ended);
  sink.appetite = UINT64_MAX;
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(sink.reader.received, RATE / 5 + RATE);
  test_bench_close(&bench);
}

/* A pace that is hardly one, for longer than the timeout: nobody is ended for
 * what he was not offered. */
static void test_hardly_any(void) {
  open_bench(WEIR_SLOW_SKIP, 0, 600000);
  join(1, 0); /* a unit in four seconds */
  for (int i = 0; i < 100; i++)
    test_pass(&bench, TEST_SECOND);
  CHECK(!sink.ended);
  CHECK(sink.reader.received >= 92 && sink.reader.received <= 100);
  test_bench_close(&bench);
}

/* A socket that takes nothing is slow all the same. */
static void test_stalled(void) {
  open_bench(WEIR_SLOW_SKIP, 0, 600000);
  join(RATE, 0);
  test_pass(&bench, 20 * TEST_MS);
  sink.appetite = 0;
  for (int i = 0; i < 31; i++)
    test_pass(&bench, TEST_SECOND);
  CHECK(sink.ended);
  CHECK_EQ(sink.reason, WEIR_END_STALLED);
  test_bench_close(&bench);
}

/* Lag by its pace is none that WEIR_SLOW_DISCONNECT ends it for. */
static void test_disconnect(void) {
  open_bench(WEIR_SLOW_DISCONNECT, 1000, 400000);
  join(RATE / 2, 0);
  sink.bite = 100;
  for (int i = 0; i < 100; i++)
    go_on();
  CHECK(!sink.ended);
  CHECK(weir_log_head(bench.log) - sink.reader.received > 400000);
  test_bench_close(&bench);
}

/* The source waits for it: then it has no pace to keep. */
static void test_hold(void) {
  open_bench(WEIR_SLOW_PAUSE, 0, 900000);
  join(1000, 0);
  CHECK_EQ(weir_fanout_room(bench.fanout, 200000), 0);
  CHECK(weir_fanout_is_held(bench.fanout));
  test_pass(&bench, 20 * TEST_MS);
  CHECK(!weir_fanout_is_held(bench.fanout));
  CHECK(sink.reader.received >= 400000);
  test_bench_close(&bench);
}

/* Behind everything: it lands at head, and keeps no pace from there. */
static void test_skip(void) {
  open_bench(WEIR_SLOW_SKIP, 0, 900000);
  join(1000, 0);
  test_pass(&bench, 20 * TEST_MS);
  test_publish(&bench, 1000000);
  test_pass(&bench, 20 * TEST_MS);
  uint64_t before = sink.reader.received;
  go_on();
  go_on();
  CHECK_EQ(sink.reader.received, before + 2 * RATE / 50);
  CHECK_EQ(sink.reader.skipped, 1900000 - before);
  test_bench_close(&bench);
}

int main(void) {
  test_paced(0);
  test_paced(300000);
  test_unpaced();
  test_saved_up();
  test_hardly_any();
  test_stalled();
  test_disconnect();
  test_hold();
  test_skip();
  return 0;
}
