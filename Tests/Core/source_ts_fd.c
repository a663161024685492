/* What comes out of a pipe is in the log as packets, whatever the reads; what
 * is no transport stream ends the source with a reason. */
#include "scale.h"
#include "source_ts_test.h"

#define PACKETS 4000u
#define ALL     (PACKETS * WEIR_TS_PACKET)

static test_ts_source_t ts;
static test_source_t *const test = &ts.test;
static uint8_t stream[ALL + 4096];

static int open_pipe(const weir_source_options_t *options) {
  int ends[2];
  CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
  CHECK_EQ(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20), 1 << 20);
  CHECK_EQ(
      weir_source_open_fd(&test->bench.loop, &test->source, ends[0], options),
      0);
  return ends[1];
}

static void put(int fd, const uint8_t *bytes, size_t length) {
  CHECK_EQ(write(fd, bytes, length), length);
}

static void wait_for_end(void) {
  while (test->ends == 0)
    test_poll(&test->bench);
}

static void make_stream(void) {
  test_mux_t mux = test_mux(2000);
  test_mux_fill(&mux, stream, PACKETS);
}

/* In pieces of any size, also behind garbage and with a part of a packet at
 * the end. */
static void test_pieces(uint64_t seed, size_t garbage, size_t part) {
  make_stream();
  memmove(stream + garbage, stream, ALL);
  memset(stream, 0x20, garbage);
  size_t length = garbage + ALL - part;
  test_ts_start(&ts, 1 << 20);
  weir_source_options_t options = test_ts_options(&ts);
  int fd = open_pipe(&options);
  for (size_t at = 0; at < length;) {
    size_t most = test_random(&seed) % 4 == 0 ? 100000 : 400;
    size_t some = 1 + test_random(&seed) % most;
    if (some > length - at) some = length - at;
    put(fd, stream + at, some);
    at += some;
    test_now += TEST_MS;
    test_poll(&test->bench);
    CHECK_EQ(weir_source_last(test->source), test_now);
  }
  CHECK_EQ(close(fd), 0);
  wait_for_end();
  CHECK_EQ(test->status, 0);
  CHECK_EQ(test->firsts, 1);
  size_t whole = (PACKETS - (part > 0)) * WEIR_TS_PACKET;
  CHECK_EQ(weir_source_bytes(test->source), whole);
  test_log_holds(test->bench.log, stream + garbage, whole);
  weir_track_info_t info;
  weir_track_info(ts.track, &info);
  CHECK_EQ(info.counters.packets, whole / WEIR_TS_PACKET);
  CHECK_EQ(info.counters.skipped, garbage + (part > 0 ? 188 - part : 0));
  CHECK_EQ(info.joins, 4);
  test_ts_finish(&ts);
}

/* So few packets that only the end decides, and too few. */
static void test_short(void) {
  make_stream();
  for (size_t packets = 0; packets <= 6; packets++) {
    test_ts_start(&ts, 1 << 20);
    weir_source_options_t options = test_ts_options(&ts);
    int fd = open_pipe(&options);
    put(fd, stream, packets * WEIR_TS_PACKET);
    close(fd);
    wait_for_end();
    if (packets == 0 || packets >= WEIR_TS_LOCK_AT_END) {
      CHECK_EQ(test->status, 0);
      test_log_holds(test->bench.log, stream, packets * WEIR_TS_PACKET);
    } else {
      CHECK_EQ(test->status, WEIR_ENOTTS);
      CHECK_EQ(weir_log_head(test->bench.log), 0);
    }
    CHECK_EQ(test->firsts, packets >= WEIR_TS_LOCK_AT_END);
    test_ts_finish(&ts);
  }
}

/* Something else: at its end, or after a MiB of it. */
static void test_foreign(void) {
  static uint8_t page[1 << 16];
  memset(page, 'x', sizeof page);
  memcpy(page, "<!DOCTYPE html>", 15);
  for (int is_long = 0; is_long <= 1; is_long++) {
    test_ts_start(&ts, 1 << 20);
    weir_source_options_t options = test_ts_options(&ts);
    int fd = open_pipe(&options);
    for (int i = 0; i < (is_long ? 20 : 1) && test->ends == 0; i++) {
      put(fd, page, sizeof page);
      test_poll(&test->bench);
      test_poll(&test->bench);
    }
    if (!is_long) CHECK_EQ(test->ends, 0);
    if (!is_long) close(fd);
    wait_for_end();
    CHECK_EQ(test->status, WEIR_ENOTTS);
    CHECK_EQ(test->firsts, 0);
    weir_track_info_t info;
    weir_track_info(ts.track, &info);
    CHECK_EQ(info.foreign, WEIR_TS_FOREIGN_HTML);
    if (is_long) close(fd);
    test_ts_finish(&ts);
  }
}

/* The next source on the same track, behind a gap. */
static void test_next_source(void) {
  make_stream();
  test_ts_start(&ts, 2 << 20);
  weir_source_options_t options = test_ts_options(&ts);
  int fd = open_pipe(&options);
  put(fd, stream, 1000 * WEIR_TS_PACKET + 50);
  close(fd);
  wait_for_end();
  weir_source_close(test->source, test_source_closed);
  while (!test->closed)
    test_poll(&test->bench);
  weir_track_gap(ts.track);
  test->closed = test->ends = 0;
  fd = open_pipe(&options);
  put(fd, stream, 1000 * WEIR_TS_PACKET);
  close(fd);
  wait_for_end();
  CHECK_EQ(weir_source_bytes(test->source),
           (1000 + TEST_PIDS) * WEIR_TS_PACKET);
  CHECK_EQ(weir_log_head(test->bench.log), (2000 + TEST_PIDS) * WEIR_TS_PACKET);
  weir_track_info_t info;
  weir_track_info(ts.track, &info);
  CHECK_EQ(info.gaps, 1);
  CHECK_EQ(info.floor, 1000 * WEIR_TS_PACKET);
  test_ts_finish(&ts);
}

/* WEIR_SLOW_PAUSE: whoever must be waited for loses nothing. */
static void test_pause(uint64_t seed) {
  make_stream();
  test_ts_start(&ts, 400 * WEIR_TS_PACKET);
  weir_fanout_options_t fanout = test_bench_options(&test->bench);
  fanout.policy = WEIR_SLOW_PAUSE;
  fanout.on_end = NULL;
  CHECK_EQ(weir_fanout_create(&test->bench.loop, &test->bench.fanout, &fanout),
           0);
  int pair[2];
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  weir_listener_options_t listener = {
      .size = sizeof listener, .fd = pair[0], .position = 0};
  uint64_t id;
  CHECK_EQ(weir_fanout_add(test->bench.fanout, &listener, &id), 0);
  weir_source_options_t options = test_ts_options(&ts);
  int fd = open_pipe(&options);
  put(fd, stream, ALL);
  close(fd);
  static uint8_t received[ALL];
  size_t got = 0;
  weir_fanout_counters_t counters;
  for (int i = 0; i < 100000 && got < ALL; i++) {
    test_pass(&test->bench, 5 * TEST_MS);
    if (test_random(&seed) % 8 != 0) continue;
    size_t most = 1 + test_random(&seed) % 60000;
    if (most > ALL - got) most = ALL - got;
    ssize_t n = recv(pair[1], received + got, most, MSG_DONTWAIT);
    if (n > 0) got += (size_t)n;
  }
  CHECK_EQ(got, ALL);
  CHECK(memcmp(received, stream, ALL) == 0);
  weir_fanout_counters(test->bench.fanout, &counters);
  CHECK_EQ(counters.skips, 0);
  CHECK(counters.holds > 0);
  close(pair[1]);
  test_ts_finish(&ts);
}

int main(void) {
  for (uint64_t seed = 1; seed <= 10 * test_scale(); seed++)
    test_pieces(seed, seed % 3 * 500, seed % 2 * 77);
  test_short();
  test_foreign();
  test_next_source();
  for (uint64_t seed = 1; seed <= 5 * test_scale(); seed++)
    test_pause(seed);
  return 0;
}
