/* At an orderly end a socket is offered once more all that is pending, and
 * what it takes is whole: the rest of a unit that it had cut comes first. */
#include "fanout_test.h"

static test_bench_t bench;
static test_sink_t sink;

static void open_bench(void) {
  test_bench_open(&bench, 1200000, 6);
  weir_fanout_options_t options = test_bench_options(&bench);
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
  test_join(&bench, &sink);
}

static void check_end(weir_end_reason_t reason, uint64_t bytes) {
  CHECK(sink.ended && sink.clean);
  CHECK_EQ(sink.reason, reason);
  CHECK_EQ(sink.end_error, 0);
  CHECK_EQ(sink.reader.received, bytes);
  CHECK_EQ(sink.last.sent_bytes, bytes);
  test_bench_close(&bench);
}

/* More than one write takes. */
static void test_everything_pending(void) {
  open_bench();
  test_append(bench.log, 600000);
  weir_fanout_end(bench.fanout, WEIR_END_SHUTDOWN);
  CHECK_EQ(sink.writes, 3);
  check_end(WEIR_END_SHUTDOWN, 600000);
}

/* One that waits for room in its socket, which has some by now. */
static void test_blocked(void) {
  open_bench();
  sink.appetite = 11;
  test_publish(&bench, 6000);
  test_now += 20 * TEST_MS;
  weir_fanout_turn(bench.fanout);
  CHECK_EQ(sink.reader.part_length, 5);
  sink.appetite = UINT64_MAX;
  weir_fanout_end(bench.fanout, WEIR_END_SHUTDOWN);
  CHECK_EQ(sink.reader.part_length, 0);
  check_end(WEIR_END_SHUTDOWN, 6000);
}

/* One that has none: it is not waited for. */
static void test_full(void) {
  open_bench();
  sink.appetite = 11;
  test_publish(&bench, 6000);
  test_pass(&bench, 20 * TEST_MS);
  weir_fanout_end(bench.fanout, WEIR_END_LAG);
  CHECK_EQ(sink.last.lag, 6000 - 11);
  check_end(WEIR_END_LAG, 11);
}

/* One that was kicked is sent nothing more; the others go on. */
static void test_kick(void) {
  test_sink_t other;
  open_bench();
  test_join(&bench, &other);
  test_append(bench.log, 6000);
  CHECK_EQ(weir_fanout_kick(bench.fanout, sink.id), 0);
  test_pass(&bench, 0);
  CHECK_EQ(other.reader.received, 6000);
  CHECK(!other.ended);
  check_end(WEIR_END_KICKED, 0);
}

int main(void) {
  test_everything_pending();
  test_blocked();
  test_full();
  test_kick();
  return 0;
}
