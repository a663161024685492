/* What the fan-out says of its listeners: who, how far, how late, and not more
 * often than once a second. */
#include "fanout_test.h"

static test_bench_t bench;

static void open_bench(void) {
  test_bench_open(&bench, 4096, 4);
  weir_fanout_options_t options = test_bench_options(&bench);
  options.byte_rate = 192000;
  CHECK_EQ(weir_fanout_create(&bench.loop, &bench.fanout, &options), 0);
}

/* Lapped ten times a second for ten seconds. */
static void test_skips_once_a_second(void) {
  test_sink_t sinks[2];
  open_bench();
  test_join(&bench, &sinks[0]);
  test_join(&bench, &sinks[1]);
  sinks[0].appetite = sinks[1].appetite = 0;
  for (int i = 0; i < 500; i++) {
    if (i % 5 == 0) {
      test_publish(&bench, 4100);
      sinks[0].appetite = 4;
    }
    test_pass(&bench, 20 * TEST_MS);
  }
  for (int i = 0; i < 2; i++) {
    CHECK(sinks[i].reports >= 9 && sinks[i].reports <= 10);
    CHECK(!sinks[i].ended);
  }
  /* The end tells the rest. */
  weir_fanout_end(bench.fanout, WEIR_END_SHUTDOWN);
  CHECK(sinks[1].last.skips >= 99);
  CHECK_EQ(sinks[1].last.skipped_bytes + sinks[1].last.sent_bytes,
           sinks[1].last.position);
  test_bench_close(&bench);
}

static uint32_t told;

static void check_info(void *context, const weir_listener_info_t *who) {
  const test_sink_t *sink = context;
  told++;
  if (who->data != sink) return;
  CHECK_EQ(who->id, sink->id);
  CHECK_EQ(who->position, 100);
  CHECK_EQ(who->lag, 300);
  CHECK_EQ(who->sent_bytes, 100);
  CHECK_EQ(who->skipped_bytes, 0);
  CHECK_EQ(who->skips, 0);
  CHECK_EQ(who->since, 5000 * TEST_SECOND);
  CHECK_EQ(strlen(who->label), WEIR_FANOUT_LABEL_MAX);
  CHECK(strncmp(who->label, "2001:db8:", 9) == 0);
}

static void test_each(void) {
  test_sink_t sink, other;
  open_bench();
  test_join(&bench, &other);
  test_now = 5000 * TEST_SECOND;
  memset(&sink, 0, sizeof sink);
  sink.appetite = 100;
  test_reader_start(&sink.reader, 4, 0, 0, WEIR_TRANSFORM_NONE);
  int fd = eventfd(0, EFD_NONBLOCK);
  weir_listener_options_t options = {
      .size = sizeof options,
      .fd = fd,
      .sink = &test_sink_calls,
      .sink_context = &sink,
      .position = WEIR_FANOUT_NEWEST,
      .label =
          "2001:db8:0000:0000:0000:0000:0000:0001%a-zone-of-a-length-that-"
          "nobody-has-use-for",
      .data = &sink};
  CHECK_EQ(weir_fanout_add(bench.fanout, &options, &sink.id), 0);
  CHECK(sink.id != other.id && sink.id != 0 && other.id != 0);
  test_publish(&bench, 400);
  test_pass(&bench, 20 * TEST_MS);
  weir_fanout_each(bench.fanout, check_info, &sink);
  CHECK_EQ(told, 2);
  CHECK(weir_fanout_data(bench.fanout) == &bench);

  CHECK_EQ(weir_fanout_kick(bench.fanout, 12345), UV_ENOENT);
  CHECK_EQ(weir_fanout_kick(bench.fanout, sink.id), 0);
  CHECK_EQ(sink.reason, WEIR_END_KICKED);
  CHECK_EQ(weir_fanout_kick(bench.fanout, sink.id), UV_ENOENT);
  weir_fanout_counters_t counters;
  weir_fanout_counters(bench.fanout, &counters);
  CHECK_EQ(counters.joined, 2);
  CHECK_EQ(counters.listeners, 1);
  CHECK_EQ(counters.listeners_peak, 2);
  CHECK_EQ(counters.sent_bytes, 500);
  CHECK_EQ(counters.writes, sink.writes + other.writes);
  test_bench_close(&bench);
}

/* Lag is what lay before a write, in time of the stream. */
static void test_lag(void) {
  test_sink_t sink;
  open_bench();
  const weir_histogram_t *lag = weir_fanout_lag(bench.fanout);
  test_join(&bench, &sink);
  for (int i = 0; i < 100; i++) {
    test_publish(&bench, 1920); /* 10 ms of 192 kB/s */
    test_pass(&bench, 20 * TEST_MS);
  }
  CHECK_EQ(weir_histogram_count(lag), 100);
  CHECK_EQ(weir_histogram_max(lag), 10 * TEST_MS);
  sink.appetite = 0;
  test_publish(&bench, 1920);
  test_pass(&bench, 20 * TEST_MS); /* refused: it is recorded again later */
  sink.appetite = UINT64_MAX;
  test_publish(&bench, 1920);
  test_pass(&bench, 20 * TEST_MS);
  CHECK_EQ(weir_histogram_max(lag), 20 * TEST_MS);
  test_bench_close(&bench);
}

static void test_names(void) {
  CHECK(strcmp(weir_end_reason_name(WEIR_END_CLOSED), "closed") == 0);
  CHECK(strcmp(weir_end_reason_name(WEIR_END_LAG), "lag") == 0);
  CHECK(strcmp(weir_end_reason_name(WEIR_END_STALLED), "stalled") == 0);
  CHECK(strcmp(weir_end_reason_name(WEIR_END_KICKED), "kicked") == 0);
  CHECK(strcmp(weir_end_reason_name(WEIR_END_SHUTDOWN), "shutdown") == 0);
  CHECK(strcmp(weir_end_reason_name(WEIR_END_ERROR), "error") == 0);
  CHECK(weir_end_reason_name(WEIR_END_REASONS) == NULL);
}

int main(void) {
  test_skips_once_a_second();
  test_each();
  test_lag();
  test_names();
  return 0;
}
