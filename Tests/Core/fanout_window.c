/* When listeners are served: once a window, at once when they are new, at
 * every write with window 0, and before the ring goes round. */
#include "fanout_test.h"

static test_bench_t bench;

static void open_bench(uint64_t window, size_t capacity) {
  test_bench_open(&bench, capacity, 4);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.window = window;
  options.window_is_zero = window == 0;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  CHECK_EQ(weir_fanout_window(bench.fanout), window);
}

static void test_once_a_window(void) {
  test_sink_t sink;
  open_bench(50 * TEST_MS, 1 << 20);
  test_join(&bench, &sink);
  test_pass(&bench, 0);
  CHECK_EQ(sink.writes, 0); /* nothing to be sent */
  for (int window = 1; window <= 20; window++) {
    for (int i = 0; i < 5; i++) {
      CHECK_EQ(sink.writes, (uint64_t)window - 1);
      test_publish(&bench, 400);
      test_pass(&bench, 10 * TEST_MS);
    }
    CHECK_EQ(sink.reader.received, 2000 * (uint64_t)window);
  }
  test_bench_close(&bench);
}

static void test_joiners_at_once(void) {
  test_sink_t plain, past;
  open_bench(500 * TEST_MS, 1 << 20);
  test_append(bench.log, 40000);
  CHECK_EQ(
      test_add(&bench, &plain, WEIR_FANOUT_NEWEST, 68, WEIR_TRANSFORM_NONE), 0);
  CHECK_EQ(test_add(&bench, &past, 20000, 44, WEIR_TRANSFORM_SWAP16), 0);
  CHECK_EQ(plain.writes, 0); /* not from within the call */
  test_pass(&bench, 0);
  CHECK_EQ(plain.reader.preamble, 0);
  CHECK_EQ(plain.writes, 1);
  CHECK_EQ(past.reader.received, 20000);
  CHECK_EQ(past.writes, 1); /* with its preamble, in one write */
  test_bench_close(&bench);
}

/* Five seconds back: many full writes, without waiting for a window. */
static void test_warm_join(void) {
  test_sink_t raw, swapped;
  open_bench(500 * TEST_MS, 1 << 20);
  test_append(bench.log, 3 << 20);
  uint64_t tail = weir_log_tail(bench.log);
  CHECK_EQ(test_add(&bench, &raw, tail, 0, WEIR_TRANSFORM_NONE), 0);
  CHECK_EQ(test_add(&bench, &swapped, tail, 0, WEIR_TRANSFORM_SWAP16), 0);
  test_pass(&bench, 0);
  CHECK_EQ(raw.reader.received, 1 << 20);
  CHECK_EQ(raw.writes, 4); /* of WEIR_FANOUT_SEND_MAX */
  CHECK_EQ(swapped.reader.received, 1 << 20);
  test_bench_close(&bench);
}

/* One whose socket takes part goes on as soon as it is writable. */
static void test_writable(void) {
  test_sink_t sink;
  open_bench(500 * TEST_MS, 1 << 20);
  test_append(bench.log, 100000);
  CHECK_EQ(test_add(&bench, &sink, 0, 10, WEIR_TRANSFORM_NONE), 0);
  sink.bite = 7001;
  weir_fanout_turn(bench.fanout);
  for (uint64_t i = 1; i <= 15; i++) {
    CHECK_EQ(sink.writes, i);
    test_pass(&bench, 0);
  }
  CHECK_EQ(sink.reader.received, 100000);
  test_pass(&bench, 0);
  CHECK_EQ(sink.writes, 15);
  test_bench_close(&bench);
}

static void test_window_zero(void) {
  test_sink_t sinks[3];
  open_bench(0, 1 << 20);
  for (int i = 0; i < 3; i++)
    test_join(&bench, &sinks[i]);
  for (uint64_t n = 1; n <= 100; n++) {
    test_publish(&bench, 40);
    for (int i = 0; i < 3; i++) {
      CHECK_EQ(sinks[i].writes, n);
      CHECK_EQ(sinks[i].reader.received, 40 * n);
    }
  }
  test_bench_close(&bench);
}

static void test_set_window(void) {
  test_sink_t sink;
  open_bench(500 * TEST_MS, 1 << 20);
  test_join(&bench, &sink);
  CHECK_EQ(weir_fanout_set_window(bench.fanout, WEIR_FANOUT_MIN_WINDOW - 1),
           WEIR_EOPTION);
  CHECK_EQ(weir_fanout_set_window(bench.fanout, WEIR_FANOUT_MAX_WINDOW + 1),
           WEIR_EOPTION);
  CHECK_EQ(weir_fanout_window(bench.fanout), 500 * TEST_MS);
  test_pass(&bench, 10 * TEST_MS);
  test_publish(&bench, 400);
  /* From half a second to ten milliseconds, in the middle of a window. */
  CHECK_EQ(weir_fanout_set_window(bench.fanout, 10 * TEST_MS), 0);
  test_pass(&bench, 0);
  test_pass(&bench, 10 * TEST_MS);
  CHECK_EQ(sink.writes, 1);
  for (uint64_t i = 2; i < 20; i++) {
    test_publish(&bench, 400);
    CHECK_EQ(sink.writes, i - 1);
    test_pass(&bench, 10 * TEST_MS);
    CHECK_EQ(sink.writes, i);
  }
  /* To every write and back. */
  uint64_t writes = sink.writes;
  CHECK_EQ(weir_fanout_set_window(bench.fanout, 0), 0);
  CHECK_EQ(weir_fanout_window(bench.fanout), 0);
  test_publish(&bench, 400);
  CHECK_EQ(sink.writes, writes + 1);
  CHECK_EQ(weir_fanout_set_window(bench.fanout, 100 * TEST_MS), 0);
  test_publish(&bench, 400);
  test_pass(&bench, 0);
  CHECK_EQ(sink.writes, writes + 1);
  test_pass(&bench, 100 * TEST_MS);
  CHECK_EQ(sink.writes, writes + 2);
  test_bench_close(&bench);
}

/* A ring of a quarter second with a window of half: nobody who keeps up loses
 * a byte. */
static void test_long_window(void) {
  test_sink_t sinks[100];
  open_bench(500 * TEST_MS, 48000);
  for (int i = 0; i < 100; i++)
    test_join(&bench, &sinks[i]);
  for (int i = 0; i < 500; i++) {
    test_publish(&bench, 3840);
    test_pass(&bench, 20 * TEST_MS);
  }
  test_pass(&bench, 500 * TEST_MS);
  for (int i = 0; i < 100; i++) {
    CHECK_EQ(sinks[i].reader.skipped, 0);
    CHECK_EQ(sinks[i].reader.received, 500 * 3840);
    CHECK(sinks[i].writes < 500 / 3);
  }
  test_bench_close(&bench);
}

int main(void) {
  test_once_a_window();
  test_joiners_at_once();
  test_warm_join();
  test_writable();
  test_window_zero();
  test_set_window();
  test_long_window();
  return 0;
}
