/* A sink that refuses although its descriptor is writable, as TLS does that
 * waits for its peer, is asked about once a window and does not keep the loop
 * busy. */
#include "fanout_test.h"

int main(void) {
  static test_bench_t bench;
  test_sink_t sink;
  test_bench_open(&bench, 1 << 20, 4);
  weir_fanout_options_t options = test_bench_options(&bench);
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  test_join(&bench, &sink);
  sink.appetite = 0;
  test_publish(&bench, 400);
  for (uint64_t window = 1; window <= 50; window++) {
    test_now += 20 * TEST_MS;
    for (int i = 0; i < 100; i++)
      test_pass(&bench, 0);
    CHECK(sink.writes >= window && sink.writes <= 2 * window);
  }
  sink.appetite = UINT64_MAX;
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(sink.reader.received, 400);
  uint64_t writes = sink.writes;
  for (int i = 0; i < 100; i++)
    test_pass(&bench, 0);
  CHECK_EQ(sink.writes, writes);
  test_bench_close(&bench);
  return 0;
}
