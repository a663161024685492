/* A transport stream that is played in place of another begins with its tables
 * and a picture, behind a discontinuity; so does the other when it is back. All
 * in between is whole packets of the one or the other. */
#include <math.h>

#include "source_ts_test.h"

#define PACKETS 4000u

static test_ts_source_t test;
static weir_log_t *other;
static weir_track_t *other_track;
static weir_fanout_t *other_fanout;
static weir_feed_t *feed;
static uint8_t stream[PACKETS * WEIR_TS_PACKET];
static uint8_t other_stream[PACKETS * WEIR_TS_PACKET];
static uint8_t logged[4 * PACKETS * WEIR_TS_PACKET];

static void on_return(weir_source_t *source) {
  (void)source;
  weir_feed_close(feed, NULL);
  feed = NULL;
}

static void other_sends(uint32_t from, uint32_t count) {
  CHECK(weir_track_push(other_track, other_stream + from * WEIR_TS_PACKET,
                        count * WEIR_TS_PACKET) >= 0);
  weir_fanout_published(other_fanout);
}

/* The packets from the one at `at` on are those of a stream from its packet
 * `from` on; returns how many. */
static uint32_t run_of(size_t at, size_t end, const uint8_t *of,
                       uint32_t from) {
  uint32_t run = 0;
  while (at + run < end && from + run < PACKETS &&
         memcmp(logged + (at + run) * WEIR_TS_PACKET,
                of + (from + run) * WEIR_TS_PACKET, WEIR_TS_PACKET) == 0)
    run++;
  return run;
}

int main(void) {
  test_ts_start(&test, 4 << 20);
  test_bench_t *bench = &test.test.bench;
  weir_fanout_options_t fanout = test_bench_options(bench);
  CHECK_EQ(weir_fanout_create(&bench->loop, &bench->fanout, &fanout), 0);
  weir_log_options_t log = {.size = sizeof log,
                            .capacity = 2 << 20,
                            .unit = WEIR_TS_PACKET,
                            .allocator = &bench->allocator};
  CHECK_EQ(weir_log_create(&other, &log), 0);
  weir_track_options_t track = {
      .size = sizeof track, .log = other, .allocator = &bench->allocator};
  CHECK_EQ(weir_track_create(&other_track, &track), 0);
  fanout.log = other;
  CHECK_EQ(weir_fanout_create(&bench->loop, &other_fanout, &fanout), 0);

  test_mux_t mux = test_mux(1000);
  (void)test_mux_fill(&mux, stream, PACKETS);
  mux = test_mux(1000);
  mux.packets = 1000000;
  (void)test_mux_fill(&mux, other_stream, PACKETS);

  int ends[2];
  CHECK_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  weir_source_options_t options = test_ts_options(&test);
  options.on_return = on_return;
  CHECK_EQ(
      weir_source_open_fd(&bench->loop, &test.test.source, ends[0], &options),
      0);
  /* 100 packets of its own, and half of one. */
  CHECK_EQ(write(ends[1], stream, 100 * WEIR_TS_PACKET + 90),
           100 * WEIR_TS_PACKET + 90);
  test_poll(bench);
  CHECK_EQ(weir_log_head(bench->log), 100 * WEIR_TS_PACKET);
  CHECK_EQ(test.test.firsts, 1);

  other_sends(0, 1500);
  weir_track_join_t join;
  weir_track_join(other_track, 0, &join);
  CHECK(join.is_access);
  weir_source_yield(test.test.source);
  weir_feed_options_t feeding = {.size = sizeof feeding,
                                 .from = other_fanout,
                                 .position = join.position,
                                 .preamble = join.preamble,
                                 .preamble_length = join.preamble_length,
                                 .to = bench->fanout,
                                 .track = test.track,
                                 .allocator = &bench->allocator};
  CHECK_EQ(weir_feed_open(&bench->loop, &feed, &feeding), 0);
  test_poll(bench);
  other_sends(1500, 700);
  test_poll(bench);
  CHECK(weir_feed_bytes(feed) >= 700 * WEIR_TS_PACKET);

  /* It goes on in the middle of the packet. */
  CHECK_EQ(
      write(ends[1], stream + 100 * WEIR_TS_PACKET + 90, 200 * WEIR_TS_PACKET),
      200 * WEIR_TS_PACKET);
  test_poll(bench);
  CHECK(feed == NULL);
  CHECK_EQ(test.test.firsts, 2);
  other_sends(2200, 100);
  size_t length = test_copy_log(bench->log, 0, logged);
  weir_track_info_t info;
  weir_track_info(test.track, &info);
  CHECK_EQ(info.gaps, 2);
  CHECK(test_is_marker(logged + 100 * WEIR_TS_PACKET));
  CHECK(test_is_marker(logged + info.floor));
  CHECK_EQ(test_decode(logged, 0, logged, length).errors, 0);
  size_t packets = test_unmark(logged, length) / WEIR_TS_PACKET;

  size_t at = run_of(0, packets, stream, 0);
  CHECK_EQ(at, 100);
  CHECK(memcmp(logged + at * WEIR_TS_PACKET, join.preamble,
               join.preamble_length) == 0);
  at += join.preamble_length / WEIR_TS_PACKET;
  uint32_t first = (uint32_t)(join.position / WEIR_TS_PACKET);
  uint32_t run = run_of(at, packets, other_stream, first);
  CHECK_EQ(first + run, 2200);
  at += run;
  /* The packet that was cut is gone, in full. */
  run = run_of(at, packets, stream, 101);
  CHECK_EQ(at + run, packets);
  CHECK_EQ(101 + run, 300);
  /* Nobody joins before the last gap. */
  weir_track_join(test.track, INFINITY, &join);
  CHECK(join.position >= info.floor);

  /* An end in the stream's absence changes nothing of what is on its way. */
  weir_source_yield(test.test.source);
  weir_track_join(other_track, 0, &join);
  feeding.position = join.position;
  feeding.preamble_length = join.preamble_length;
  CHECK_EQ(weir_feed_open(&bench->loop, &feed, &feeding), 0);
  test_poll(bench);
  CHECK_EQ(close(ends[1]), 0);
  while (test.test.ends == 0)
    test_poll(bench);
  CHECK_EQ(test.test.ends, 1);
  uint64_t head = weir_log_head(bench->log);
  other_sends(2300, 50);
  CHECK_EQ(weir_log_head(bench->log) - head, 50 * WEIR_TS_PACKET);

  weir_feed_close(feed, NULL);
  weir_fanout_close(other_fanout, NULL);
  test_poll(bench);
  test_poll(bench);
  weir_track_destroy(other_track);
  weir_log_destroy(other);
  test_ts_finish(&test);
  return 0;
}
