/* A transport stream's file is played by its PCRs: what is in the log at any
 * time is what was due by then, in a loop too, and when its clock jumps. */
#include "source_ts_test.h"

#define MOST 120000u /* packets */

static test_ts_source_t ts;
static test_source_t *const test = &ts.test;
static uint8_t stream[MOST * 204u];
static uint8_t copy[4 << 20];

static void open_file(const uint8_t *bytes, size_t length, int loop_file) {
  weir_source_options_t options = test_ts_options(&ts);
  options.loop_file = loop_file;
  CHECK_EQ(weir_source_open_file(&test->bench.loop, &test->source,
                                 test_file_of(bytes, length), &options),
           0);
  CHECK_EQ(test->ends, 0); /* never from within the call */
  test_settle(test);
}

/* Time goes on; reads are waited for, so that none is late. */
static void go_on(uint64_t time) {
  test_now += time;
  test_settle(test);
  weir_source_turn(test->source);
  test_settle(test);
}

static uint64_t packets(void) {
  return weir_source_bytes(test->source) / WEIR_TS_PACKET;
}

/* Packets that are due: those before the first PCR, the sixth's, at once. */
static double due(uint64_t began, uint32_t rate) {
  return 5 + (double)(test_now - began) / 1e9 * rate;
}

/* At a constant rate: never off by more than the packet that is begun, and
 * `early` packets where PCRs are too far apart to be known. */
static void test_paced(uint32_t rate, uint32_t early) {
  test_mux_t mux = test_mux(rate);
  uint32_t count = rate * 5;
  size_t length = test_mux_fill(&mux, stream, count);
  test_ts_start(&ts, 4 << 20);
  uint64_t seed = rate, began = test_now;
  open_file(stream, length, 0);
  while (test->ends == 0) {
    go_on(test_random(&seed) % (40 * TEST_MS));
    double now = due(began, rate);
    if (now > count) now = count;
    CHECK((double)packets() >= now - 3);
    /* The last come with the last PCR. */
    int is_near = now + 2 * mux.pcr_every > count;
    CHECK((double)packets() <= now + (is_near ? 2 * mux.pcr_every : early) + 1);
    if (test->ends > 0) break;
    CHECK(test_now - began < 6 * TEST_SECOND);
  }
  CHECK_EQ(test->status, 0);
  CHECK_EQ(test->firsts, 1);
  CHECK_EQ(packets(), count);
  CHECK(test_now - began > 4900 * TEST_MS);
  uint64_t tail = weir_log_tail(test->bench.log);
  size_t kept = test_copy_log(test->bench.log, tail, copy);
  CHECK(memcmp(copy, stream + tail, kept) == 0);
  test_ts_finish(&ts);
}

/* A PCR with each picture, of which there is one in four seconds. */
static void test_seldom(void) {
  test_mux_t mux = test_mux(60);
  mux.pcr_every = 240;
  size_t length = test_mux_fill(&mux, stream, 60 * 40);
  test_ts_start(&ts, 4 << 20);
  uint64_t began = test_now;
  open_file(stream, length, 0);
  while (test_now - began < 34 * TEST_SECOND) {
    go_on(100 * TEST_MS);
    CHECK((double)packets() >= due(began, 60) - 3);
    CHECK((double)packets() <= due(began, 60) + 3);
  }
  CHECK_EQ(test->ends, 0);
  test_ts_finish(&ts);
}

/* Packets of 192 and 204 bytes take no more time than those of 188. */
static void test_strides(uint32_t stride) {
  test_mux_t mux = test_mux(2000);
  uint32_t before = stride == 192 ? 4 : 0;
  for (uint32_t i = 0; i < 6000; i++) {
    memset(stream + i * stride, 0x31, stride);
    test_mux_next(&mux, stream + i * stride + before);
  }
  test_ts_start(&ts, 4 << 20);
  uint64_t began = test_now;
  open_file(stream, 6000 * stride, 0);
  while (test_now - began < 2900 * TEST_MS) {
    go_on(20 * TEST_MS);
    CHECK((double)packets() >= due(began, 2000) - 3);
    CHECK((double)packets() <= due(began, 2000) + 1);
  }
  test_ts_finish(&ts);
}

/* A second that has ten times the bytes of another takes no longer. */
static void test_variable(void) {
  static const uint32_t rates[] = {500, 5000, 1000, 10000, 200};
  static uint64_t ends[5]; /* packets until then */
  size_t length = 0;
  uint64_t clock = 900000, count = 0;
  test_mux_t mux = test_mux(500);
  for (int i = 0; i < 5; i++) {
    uint8_t counters[sizeof mux.counters];
    memcpy(counters, mux.counters, sizeof counters);
    mux = test_mux(rates[i]);
    memcpy(mux.counters, counters, sizeof counters);
    mux.clock = clock;
    length += test_mux_fill(&mux, stream + length, rates[i]);
    clock += WEIR_TS_CLOCK;
    count += rates[i];
    ends[i] = count;
  }
  test_ts_start(&ts, 4 << 20);
  uint64_t began = test_now;
  open_file(stream, length, 0);
  for (int i = 0; i < 5; i++) {
    while (test_now - began < ((unsigned)i + 1) * TEST_SECOND)
      go_on(20 * TEST_MS);
    CHECK(packets() + rates[i] / 25 >= ends[i]); /* within a PCR */
    CHECK(packets() <= ends[i] + rates[(i + 1) % 5] / 20);
  }
  test_ts_finish(&ts);
}

/* Again and again, each round behind markers; time goes on evenly. */
static void test_loop(uint32_t count) {
  test_mux_t mux = test_mux(2000);
  size_t length = test_mux_fill(&mux, stream, count);
  test_ts_start(&ts, 4 << 20);
  uint64_t began = test_now;
  open_file(stream, length, 1);
  while (test_now - began < 5 * TEST_SECOND) {
    go_on(20 * TEST_MS);
    double rounds = due(began, 2000) / count;
    /* An end may come as early as the PCR before it. */
    CHECK((double)packets() >= due(began, 2000) - 10);
    CHECK((double)packets() <= due(began, 2000) + rounds * 10 + 90);
  }
  CHECK_EQ(test->ends, 0);
  weir_track_info_t info;
  weir_track_info(ts.track, &info);
  uint64_t rounds = packets() / (count + TEST_PIDS);
  CHECK_EQ(info.gaps, rounds);
  CHECK_EQ(info.counters.continuity, 0);
  size_t all = test_copy_log(test->bench.log, 0, copy);
  CHECK(test_is_marker(copy + length));
  CHECK_EQ(test_decode(copy, 0, copy, all).errors, 0);
  CHECK(test_unmark(copy, all) >= rounds * length);
  for (uint64_t round = 0; round < rounds; round++)
    CHECK(memcmp(copy + round * length, stream, length) == 0);
  test_ts_finish(&ts);
}

/* The clock jumps, on and back: the bytes take the time they take. */
static void test_jump(uint64_t from, uint64_t to) {
  test_mux_t mux = test_mux(2000);
  mux.clock = from;
  size_t length = test_mux_fill(&mux, stream, 3000);
  mux.clock = to;
  length += test_mux_fill(&mux, stream + length, 3000);
  test_ts_start(&ts, 4 << 20);
  uint64_t began = test_now;
  open_file(stream, length, 0);
  while (test_now - began < 2900 * TEST_MS) {
    go_on(20 * TEST_MS);
    CHECK((double)packets() >= due(began, 2000) - 10);
    CHECK((double)packets() <= due(began, 2000) + 10);
  }
  test_ts_finish(&ts);
}

/* Held time is not made up for, and a clock that leaps is not either. */
static void test_hold(void) {
  test_mux_t mux = test_mux(2000);
  size_t length = test_mux_fill(&mux, stream, 10000);
  test_ts_start(&ts, 4 << 20);
  open_file(stream, length, 0);
  for (int i = 0; i < 50; i++)
    go_on(20 * TEST_MS);
  uint64_t before = packets();
  CHECK(before >= 2000 && before <= 2010);
  weir_source_hold(test->source, 1);
  go_on(5 * TEST_SECOND);
  CHECK_EQ(packets(), before);
  weir_source_hold(test->source, 0);
  go_on(0);
  CHECK(packets() <= before + 1);
  go_on(500 * TEST_MS);
  CHECK(packets() >= before + 998 && packets() <= before + 1002);
  before = packets();
  go_on(3600 * TEST_SECOND);
  CHECK(packets() <= before + 2);
  go_on(500 * TEST_MS);
  CHECK(packets() >= before + 998 && packets() <= before + 1004);
  test_ts_finish(&ts);
}

static void expect_end(size_t length, int loop_file, int status) {
  test_ts_start(&ts, 4 << 20);
  open_file(stream, length, loop_file);
  uint64_t began = test_now;
  while (test->ends == 0) {
    go_on(20 * TEST_MS);
    CHECK(test_now - began < 10 * TEST_SECOND);
  }
  CHECK_EQ(test->status, status);
  CHECK(weir_source_bytes(test->source) <= WEIR_TS_SEARCH_MAX + 4 * 65536);
  test_ts_finish(&ts);
}

/* Without a clock there is no time to play it by. */
static void test_no_clock(void) {
  test_mux_t mux = test_mux(2000);
  mux.has_no_pcr = 1;
  test_mux_fill(&mux, stream, 20000);
  for (int loop_file = 0; loop_file <= 1; loop_file++) {
    expect_end(100 * WEIR_TS_PACKET, loop_file, WEIR_ENOPCR);
    expect_end(20000 * WEIR_TS_PACKET, loop_file, WEIR_ENOPCR);
  }
  /* One PCR says when it begins, and not how long it takes. */
  mux = test_mux(2000);
  test_mux_fill(&mux, stream, 20);
  expect_end(20 * WEIR_TS_PACKET, 0, 0);
  expect_end(20 * WEIR_TS_PACKET, 1, WEIR_ENOPCR);
}

static void test_foreign(void) {
  memset(stream, 'x', 3 << 20);
  for (int loop_file = 0; loop_file <= 1; loop_file++) {
    expect_end(1000, loop_file, WEIR_ENOTTS);
    expect_end(3 << 20, loop_file, WEIR_ENOTTS);
  }
  expect_end(0, 0, UV_EOF);
}

/* Closed while its read is under way, at any moment. */
static void test_closed(void) {
  test_mux_t mux = test_mux(20000);
  size_t length = test_mux_fill(&mux, stream, 20000);
  for (int turns = 0; turns < 20; turns++) {
    test_ts_start(&ts, 4 << 20);
    weir_source_options_t options = test_ts_options(&ts);
    CHECK_EQ(weir_source_open_file(&test->bench.loop, &test->source,
                                   test_file_of(stream, length), &options),
             0);
    for (int i = 0; i < turns; i++) {
      test_now += 10 * TEST_MS;
      test_poll(&test->bench);
      weir_source_turn(test->source);
    }
    weir_source_close(test->source, test_source_closed);
    while (!test->closed)
      test_poll(&test->bench);
    CHECK_EQ(test->ends, 0);
    test_ts_finish(&ts);
  }
}

int main(void) {
  test_paced(500, 0);
  test_paced(2000, 0);
  test_paced(5000, 0);
  test_paced(20000, 1700); /* 30 Mbit/s: up to 300 KB between two PCRs */
  test_seldom();
  test_strides(192);
  test_strides(204);
  test_variable();
  test_loop(1000);
  test_loop(777);
  test_loop(3000);
  test_jump(0, (uint64_t)100 * WEIR_TS_CLOCK);
  test_jump((uint64_t)100 * WEIR_TS_CLOCK, 0);
  test_jump((uint64_t)100 * WEIR_TS_CLOCK, (uint64_t)95 * WEIR_TS_CLOCK);
  test_hold();
  test_no_clock();
  test_foreign();
  test_closed();
  return 0;
}
