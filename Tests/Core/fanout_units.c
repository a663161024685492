/* A socket that cuts a unit in two is sent the rest of it before anything
 * else, also when the listener has skipped meanwhile: 24-bit stereo. */
#include "fanout_test.h"

#define UNIT 6u

/* Cuts each of two neighbouring units at every byte, with a skip in between. */
static void test_cut(weir_transform_t transform, uint64_t cut, int skips) {
  test_bench_t bench;
  test_sink_t sink;
  test_bench_open(&bench, 100 * UNIT, UNIT);
  weir_fanout_options_t options = test_bench_options(&bench);
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  CHECK_EQ(test_add(&bench, &sink, WEIR_FANOUT_NEWEST, 44, transform), 0);
  sink.appetite = 44 + cut;
  test_publish(&bench, 10 * UNIT);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(sink.reader.received, cut);
  if (skips) test_publish(&bench, 150 * UNIT);
  test_pass(&bench, 20 * TEST_MS);
  sink.appetite = UINT64_MAX;
  test_pass(&bench, 20 * TEST_MS);
  /* The rest of the unit, and whatever follows it. */
  CHECK_EQ(sink.reader.part_length, 0);
  test_publish(&bench, 3 * UNIT);
  test_pass(&bench, 20 * TEST_MS);
  weir_fanout_end(bench.fanout, WEIR_END_SHUTDOWN);
  CHECK(sink.ended && sink.clean);
  CHECK_EQ(sink.last.skips, skips);
  CHECK_EQ(sink.last.position, weir_log_head(bench.log));
  CHECK_EQ(sink.last.lag, 0);
  CHECK_EQ(sink.reader.skipped, sink.last.skipped_bytes);
  CHECK_EQ(sink.reader.received + sink.reader.skipped,
           weir_log_written(bench.log));
  uint64_t whole = (cut + UNIT - 1) / UNIT * UNIT;
  CHECK_EQ(sink.last.skipped_bytes, skips ? 160 * UNIT - whole : 0);
  test_bench_close(&bench);
}

/* A source that stops within a unit: nobody sees the part of it. */
static void test_part_of_a_unit(void) {
  test_bench_t bench;
  test_sink_t sink;
  test_bench_open(&bench, 100 * UNIT, UNIT);
  weir_fanout_options_t options = test_bench_options(&bench);
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  test_join(&bench, &sink);
  test_publish(&bench, 5 * UNIT + 5);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(sink.reader.received, 5 * UNIT);
  CHECK_EQ(weir_log_trim(bench.log), 5);
  test_publish(&bench, UNIT + 1);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(sink.reader.received, 6 * UNIT);
  test_publish(&bench, UNIT - 1);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(sink.reader.received, 7 * UNIT);
  test_bench_close(&bench);
}

int main(void) {
  for (int skips = 0; skips <= 1; skips++) {
    for (uint64_t cut = 0; cut <= 2 * UNIT; cut++) {
      test_cut(WEIR_TRANSFORM_NONE, cut, skips);
      test_cut(WEIR_TRANSFORM_SWAP16, cut, skips);
      test_cut(WEIR_TRANSFORM_SWAP24, cut, skips);
    }
  }
  test_part_of_a_unit();
  return 0;
}
