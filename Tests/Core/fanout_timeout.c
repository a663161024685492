/* The timeout ends a listener that takes no byte, and one that takes some but
 * keeps skipping; it does not end one that had nothing to take, or that has
 * come back. */
#include "fanout_test.h"

#define TIMEOUT (30 * TEST_SECOND)
#define WRITE   4000u

static test_bench_t bench;
static uint64_t began;

static void open_bench(weir_slow_policy_t policy) {
  test_bench_open(&bench, 400000, 4);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.policy = policy;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  began = test_now;
}

/* One window of a stream of 200 kB/s. */
static void play(void) {
  test_publish(&bench, WRITE);
  test_pass(&bench, 20 * TEST_MS);
}

static void test_stalled(void) {
  test_sink_t stalled, healthy;
  open_bench(WEIR_SLOW_SKIP);
  test_join(&bench, &stalled);
  test_join(&bench, &healthy);
  stalled.appetite = 5 * WRITE;
  while (!stalled.ended) {
    play();
    CHECK(test_now - began < 40 * TEST_SECOND);
  }
  CHECK_EQ(stalled.reason, WEIR_END_STALLED);
  CHECK_EQ(stalled.end_error, 0);
  CHECK(test_now - stalled.last_bite >= TIMEOUT);
  CHECK(test_now - stalled.last_bite <= TIMEOUT + 20 * TEST_MS);
  CHECK_EQ(stalled.last.sent_bytes, 5 * WRITE);
  CHECK(stalled.last.skips >= 14);
  CHECK(!healthy.ended);
  CHECK_EQ(healthy.reader.skipped, 0);
  CHECK_EQ(healthy.reader.received, weir_log_head(bench.log));
  test_bench_close(&bench);
}

/* Another timeout holds for those who are stalled already; 0 is the default. */
static void test_set_timeout(void) {
  test_sink_t stalled;
  open_bench(WEIR_SLOW_SKIP);
  test_join(&bench, &stalled);
  stalled.appetite = 5 * WRITE;
  for (int i = 0; i < 250; i++)
    play();
  weir_fanout_set_timeout(bench.fanout, 0);
  play();
  CHECK(!stalled.ended);
  weir_fanout_set_timeout(bench.fanout, 6 * TEST_SECOND);
  while (!stalled.ended) {
    play();
    CHECK(test_now - began < 10 * TEST_SECOND);
  }
  CHECK_EQ(stalled.reason, WEIR_END_STALLED);
  CHECK(test_now - stalled.last_bite >= 6 * TEST_SECOND);
  CHECK(test_now - stalled.last_bite <= 6 * TEST_SECOND + 20 * TEST_MS);
  test_bench_close(&bench);
}

/* Some bytes every second, but never as many as are written. */
static void test_trickler(void) {
  test_sink_t sink;
  open_bench(WEIR_SLOW_SKIP);
  test_join(&bench, &sink);
  sink.appetite = 0;
  for (int i = 0; !sink.ended; i++) {
    if (i % 50 == 0) sink.appetite = 1000;
    play();
    CHECK(test_now - began < 60 * TEST_SECOND);
  }
  CHECK_EQ(sink.reason, WEIR_END_LAG);
  CHECK(sink.last.skips > 0);
  CHECK(test_now - sink.last_bite < 2 * TEST_SECOND);
  /* It skipped first when the ring had gone round: after two seconds. */
  CHECK(test_now - began >= TIMEOUT + 2 * TEST_SECOND);
  CHECK(test_now - began <= TIMEOUT + 3 * TEST_SECOND);
  test_bench_close(&bench);
}

/* Takes whatever there is right after each skip, which is nearly nothing:
 * that is not to have caught up. */
static void test_lucky_trickler(void) {
  test_sink_t sink;
  open_bench(WEIR_SLOW_SKIP);
  test_join(&bench, &sink);
  sink.appetite = 0;
  uint64_t skips = 0;
  while (!sink.ended) {
    test_publish(&bench, WRITE);
    test_now += 20 * TEST_MS;
    /* The socket has room in the very turn in which it skips. */
    if (weir_log_tail(bench.log) > sink.reader.next * 4 + 390000 * skips)
      sink.appetite = 4000;
    test_poll(&bench);
    weir_fanout_turn(bench.fanout);
    sink.appetite = 0;
    CHECK(test_now - began < 60 * TEST_SECOND);
  }
  CHECK_EQ(sink.reason, WEIR_END_LAG);
  test_bench_close(&bench);
}

/* A network that is down for some seconds, twice, a minute apart. */
static void test_comes_back(void) {
  test_sink_t sink;
  open_bench(WEIR_SLOW_SKIP);
  test_join(&bench, &sink);
  for (int down = 0; down < 3; down++) {
    sink.appetite = 0;
    for (int i = 0; i < 50 * 20; i++)
      play();
    CHECK(!sink.ended);
    sink.appetite = UINT64_MAX;
    for (int i = 0; i < 50 * 20; i++)
      play();
    CHECK(!sink.ended);
  }
  CHECK(sink.reader.skipped > 0);
  CHECK_EQ(sink.reader.received + sink.reader.skipped,
           weir_log_head(bench.log));
  test_bench_close(&bench);
}

/* A station that is silent for an hour: nobody could have taken a byte. The
 * first write meets a full socket. */
static void test_silence(void) {
  test_sink_t sink;
  open_bench(WEIR_SLOW_SKIP);
  test_join(&bench, &sink);
  play();
  play();
  for (int i = 0; i < 10; i++)
    test_pass(&bench, 20 * TEST_MS);
  test_now += 3600 * TEST_SECOND;
  sink.appetite = 0;
  began = test_now;
  play();
  CHECK(!sink.ended);
  while (!sink.ended) {
    test_pass(&bench, 20 * TEST_MS);
    CHECK(test_now - began < 40 * TEST_SECOND);
  }
  CHECK_EQ(sink.reason, WEIR_END_STALLED);
  CHECK(test_now - began >= TIMEOUT);
  test_bench_close(&bench);
}

/* One that skipped, took all that came since, and was at head through a long
 * silence, is not ended by the next burst. */
static void test_silence_after_a_skip(void) {
  test_sink_t sink;
  open_bench(WEIR_SLOW_SKIP);
  test_join(&bench, &sink);
  sink.appetite = 0;
  while (sink.reports == 0)
    play();
  sink.appetite = UINT64_MAX;
  for (int i = 0; i < 10; i++)
    play();
  CHECK_EQ(sink.reader.received + sink.reader.skipped,
           weir_log_head(bench.log));
  test_now += 60 * TEST_SECOND;
  sink.appetite = 1;
  play();
  test_pass(&bench, 20 * TEST_MS);
  CHECK(!sink.ended);
  test_bench_close(&bench);
}

/* Also a preamble that nobody takes runs into it. */
static void test_preamble(void) {
  test_sink_t sink;
  open_bench(WEIR_SLOW_DISCONNECT);
  CHECK_EQ(test_add(&bench, &sink, WEIR_FANOUT_NEWEST, 44, WEIR_TRANSFORM_NONE),
           0);
  sink.appetite = 43;
  while (!sink.ended) {
    test_pass(&bench, 20 * TEST_MS);
    CHECK(test_now - began < 40 * TEST_SECOND);
  }
  CHECK_EQ(sink.reason, WEIR_END_STALLED);
  CHECK_EQ(sink.last.sent_bytes, 0);
  CHECK_EQ(sink.reader.preamble, 1);
  test_bench_close(&bench);
}

int main(void) {
  test_stalled();
  test_set_timeout();
  test_trickler();
  test_lucky_trickler();
  test_comes_back();
  test_silence();
  test_silence_after_a_skip();
  test_preamble();
  return 0;
}
