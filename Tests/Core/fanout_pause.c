/* WEIR_SLOW_PAUSE: the writer is held while somebody must be waited for, goes
 * on when everybody has caught up enough, and no byte is lost. */
#include "fanout_test.h"

#define CAPACITY 16384u
#define TIMEOUT  (30 * TEST_SECOND)

static test_bench_t bench;
static int holds, resumes, woken;

static void on_hold(weir_fanout_t *fanout, int hold) {
  CHECK_EQ(weir_fanout_is_held(fanout), hold);
  if (hold)
    holds++;
  else
    resumes++;
}

static void on_resume(void *context) {
  CHECK(context == &bench);
  CHECK(!weir_fanout_is_held(bench.fanout));
  woken++;
}

static void open_bench(size_t capacity, uint32_t unit) {
  holds = resumes = woken = 0;
  test_bench_open(&bench, capacity, unit);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.policy = WEIR_SLOW_PAUSE;
  options.on_hold = on_hold;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  weir__fanout_set_writer(bench.fanout, on_resume, &bench);
}

/* Writes as much as there is room for, in steps of `step`, some rings at
 * most. */
static uint64_t write_all(size_t step) {
  uint64_t written = 0, room;
  while (written < 4 * CAPACITY &&
         (room = weir_fanout_room(bench.fanout, step)) > 0) {
    CHECK(room >= step || room >= weir_log_capacity(bench.log) / 4);
    size_t run = room < step ? (size_t)room : step;
    test_publish(&bench, run);
    written += run;
  }
  return written;
}

static void test_hold_and_resume(void) {
  test_sink_t slow, fast;
  open_bench(CAPACITY, 4);
  CHECK(weir_fanout_room(bench.fanout, 1000) == UINT64_MAX); /* nobody */
  test_join(&bench, &slow);
  test_join(&bench, &fast);
  slow.appetite = 0;
  uint64_t written = write_all(1000);
  CHECK(written > CAPACITY - 1000 && written <= CAPACITY);
  CHECK_EQ(holds, 1);
  CHECK_EQ(weir_fanout_room(bench.fanout, 1), 0); /* it stays held */
  CHECK_EQ(holds, 1);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(fast.reader.received, written);
  CHECK(weir_fanout_is_held(bench.fanout));
  /* Not yet within half the ring, then just. */
  slow.appetite = written - CAPACITY / 2 - 4;
  test_pass(&bench, 20 * TEST_MS);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(resumes, 0);
  slow.appetite = 4;
  test_pass(&bench, 20 * TEST_MS);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(resumes, 1);
  CHECK_EQ(woken, 1);
  CHECK(write_all(1000) > 0);
  slow.appetite = UINT64_MAX;
  for (int i = 0; i < 10; i++) {
    test_pass(&bench, 20 * TEST_MS);
    write_all(700);
  }
  test_pass(&bench, 20 * TEST_MS);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(slow.reader.received, weir_log_written(bench.log));
  CHECK_EQ(fast.reader.received, weir_log_written(bench.log));
  weir_fanout_counters_t counters;
  weir_fanout_counters(bench.fanout, &counters);
  CHECK_EQ(counters.holds, (uint64_t)holds);
  CHECK_EQ(counters.skips, 0);
  test_bench_close(&bench);
}

/* The last one that was waited for goes away. */
static void test_leaving(void) {
  test_sink_t slow;
  open_bench(CAPACITY, 4);
  test_join(&bench, &slow);
  slow.appetite = 0;
  write_all(4096);
  CHECK_EQ(holds, 1);
  CHECK_EQ(weir_fanout_kick(bench.fanout, slow.id), 0);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(resumes, 1);
  CHECK_EQ(woken, 1);
  CHECK(weir_fanout_room(bench.fanout, 1) == UINT64_MAX);
  test_bench_close(&bench);
}

/* One that takes nothing is ended after the timeout, and the source goes on. */
static void test_stalled(void) {
  test_sink_t stalled;
  open_bench(CAPACITY, 4);
  test_join(&bench, &stalled);
  stalled.appetite = 100;
  uint64_t began = test_now;
  write_all(4096);
  while (!stalled.ended) {
    test_pass(&bench, 20 * TEST_MS);
    CHECK(test_now - began < 40 * TEST_SECOND);
    CHECK_EQ(resumes, stalled.ended);
  }
  CHECK_EQ(stalled.reason, WEIR_END_STALLED);
  CHECK(test_now - began >= TIMEOUT);
  CHECK_EQ(stalled.last.skips, 0);
  test_bench_close(&bench);
}

/* One that takes a byte now and then holds the others up for the timeout at
 * most. */
static void test_trickler(void) {
  test_sink_t trickler, fast;
  open_bench(CAPACITY, 4);
  test_join(&bench, &trickler);
  test_join(&bench, &fast);
  trickler.appetite = 0;
  write_all(4096);
  uint64_t began = test_now;
  while (!trickler.ended) {
    trickler.appetite += 1;
    test_pass(&bench, 20 * TEST_MS);
    CHECK(test_now - began < 40 * TEST_SECOND);
  }
  CHECK_EQ(trickler.reason, WEIR_END_LAG);
  CHECK(test_now - began >= TIMEOUT);
  CHECK(test_now - began <= TIMEOUT + 40 * TEST_MS);
  CHECK_EQ(resumes, 1);
  CHECK(!fast.ended);
  test_bench_close(&bench);
}

/* A source that is faster than its listener is held again and again, and the
 * listener never sees the head: that is what pausing is for. */
static void test_slower_than_the_source(void) {
  test_sink_t sink;
  open_bench(CAPACITY, 6);
  test_join(&bench, &sink);
  uint64_t began = test_now;
  while (test_now - began < 5 * TIMEOUT) {
    sink.appetite = 50;
    write_all(5000);
    test_pass(&bench, 20 * TEST_MS);
    CHECK(!sink.ended);
  }
  CHECK(holds > 20);
  sink.appetite = UINT64_MAX;
  for (int i = 0; i < 4; i++)
    test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(sink.reader.received, weir_log_head(bench.log));
  CHECK_EQ(sink.reader.skipped, 0);
  test_bench_close(&bench);
}

/* The smallest ring: sixteen units, written in steps larger than it. */
static void test_tiny_ring(void) {
  test_sink_t sink;
  open_bench(16 * 6, 6);
  test_join(&bench, &sink);
  sink.bite = 5;
  for (int i = 0; i < 1000; i++) {
    uint64_t room = weir_fanout_room(bench.fanout, 65536);
    if (room > 0) test_publish(&bench, room < 7 ? (size_t)room : 7);
    test_pass(&bench, TEST_MS);
  }
  sink.bite = 0;
  test_pass(&bench, 20 * TEST_MS);
  test_pass(&bench, 20 * TEST_MS);
  CHECK(!sink.ended);
  CHECK_EQ(sink.reader.received, weir_log_head(bench.log));
  CHECK(weir_log_head(bench.log) > 1000);
  test_bench_close(&bench);
}

/* One that joins in the past is waited for as well. */
static void test_joins_in_the_past(void) {
  test_sink_t fast, late;
  open_bench(CAPACITY, 4);
  test_join(&bench, &fast);
  for (int i = 0; i < 100; i++) {
    write_all(4000);
    test_pass(&bench, 20 * TEST_MS);
    if (i == 50)
      CHECK_EQ(test_add(&bench, &late, weir_log_tail(bench.log), 0,
                        WEIR_TRANSFORM_NONE),
               0);
  }
  CHECK(!late.ended);
  CHECK_EQ(late.reader.skipped, 0);
  CHECK_EQ(late.start + late.reader.received, weir_log_head(bench.log));
  test_bench_close(&bench);
}

int main(void) {
  test_hold_and_resume();
  test_leaving();
  test_stalled();
  test_trickler();
  test_slower_than_the_source();
  test_tiny_ring();
  test_joins_in_the_past();
  return 0;
}
