/* WEIR_SLOW_DISCONNECT: one whose socket takes no more is ended when it lags
 * more than max_lag, not before; nobody skips. */
#include "fanout_test.h"

#define MAX_LAG 4000u

static test_bench_t bench;

static void open_bench(uint64_t max_lag) {
  test_bench_open(&bench, 16384, 4);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.policy = WEIR_SLOW_DISCONNECT;
  options.max_lag = max_lag;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
}

static void test_at_max_lag(void) {
  test_sink_t slow, healthy;
  open_bench(MAX_LAG);
  test_join(&bench, &slow);
  test_join(&bench, &healthy);
  slow.appetite = 100;
  test_publish(&bench, 100 + MAX_LAG);
  test_pass(&bench, 20 * TEST_MS);
  test_pass(&bench, 20 * TEST_MS);
  CHECK(!slow.ended);
  test_publish(&bench, 4);
  test_pass(&bench, 20 * TEST_MS);
  CHECK(slow.ended && slow.clean);
  CHECK_EQ(slow.reason, WEIR_END_LAG);
  CHECK_EQ(slow.end_error, 0);
  CHECK_EQ(slow.last.lag, MAX_LAG + 4);
  CHECK_EQ(slow.last.sent_bytes, 100);
  CHECK_EQ(slow.last.skips, 0);
  CHECK(!healthy.ended);
  CHECK_EQ(healthy.reader.received, MAX_LAG + 104);
  weir_fanout_counters_t counters;
  weir_fanout_counters(bench.fanout, &counters);
  CHECK_EQ(counters.ended[WEIR_END_LAG], 1);
  CHECK_EQ(counters.listeners, 1);
  test_bench_close(&bench);
}

/* A write of the source above max_lag does not end those who take it. */
static void test_large_write(void) {
  test_sink_t sink;
  open_bench(MAX_LAG);
  test_join(&bench, &sink);
  for (int i = 0; i < 10; i++) {
    test_publish(&bench, 2 * MAX_LAG);
    test_pass(&bench, 20 * TEST_MS);
  }
  CHECK(!sink.ended);
  CHECK_EQ(sink.reader.received, 20 * MAX_LAG);
  test_bench_close(&bench);
}

/* One that joins further back may lag that far, until it has caught up. */
static void test_warm_join(void) {
  test_sink_t sink;
  open_bench(MAX_LAG);
  test_append(bench.log, 12000);
  CHECK_EQ(test_add(&bench, &sink, 0, 0, WEIR_TRANSFORM_NONE), 0);
  sink.appetite = 400;
  test_pass(&bench, 20 * TEST_MS);
  test_publish(&bench, 400);
  test_pass(&bench, 20 * TEST_MS);
  CHECK(!sink.ended);
  sink.appetite = UINT64_MAX;
  test_pass(&bench, 20 * TEST_MS);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(sink.reader.received, 12400);
  sink.appetite = 0;
  test_publish(&bench, MAX_LAG + 4);
  test_pass(&bench, 20 * TEST_MS);
  CHECK(sink.ended);
  CHECK_EQ(sink.reason, WEIR_END_LAG);
  test_bench_close(&bench);
}

/* Without max_lag: all that the log keeps. */
static void test_default(void) {
  test_sink_t sink;
  open_bench(0);
  test_join(&bench, &sink);
  sink.appetite = 0;
  test_publish(&bench, 16384);
  test_pass(&bench, 20 * TEST_MS);
  CHECK(!sink.ended);
  test_publish(&bench, 4);
  test_pass(&bench, 20 * TEST_MS);
  CHECK(sink.ended);
  CHECK_EQ(sink.reason, WEIR_END_LAG);
  CHECK_EQ(sink.last.skipped_bytes, 0);
  test_bench_close(&bench);
}

/* A stream whose rate is learnt later. */
static void test_changed(void) {
  test_sink_t sink;
  open_bench(0);
  test_join(&bench, &sink);
  sink.appetite = 0;
  test_publish(&bench, MAX_LAG);
  weir_fanout_set_max_lag(bench.fanout, MAX_LAG);
  test_pass(&bench, 20 * TEST_MS);
  CHECK(!sink.ended);
  weir_fanout_set_max_lag(bench.fanout, MAX_LAG - 4);
  test_pass(&bench, 20 * TEST_MS);
  CHECK(sink.ended);
  CHECK_EQ(sink.reason, WEIR_END_LAG);
  test_bench_close(&bench);

  open_bench(MAX_LAG);
  test_join(&bench, &sink);
  sink.appetite = 0;
  weir_fanout_set_max_lag(bench.fanout, 0);
  test_publish(&bench, 16384);
  test_pass(&bench, 20 * TEST_MS);
  CHECK(!sink.ended);
  test_publish(&bench, 4);
  test_pass(&bench, 20 * TEST_MS);
  CHECK(sink.ended);
  test_bench_close(&bench);
}

int main(void) {
  test_at_max_lag();
  test_large_write();
  test_warm_join();
  test_default();
  test_changed();
  return 0;
}
