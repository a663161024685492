/* What does not continue the former is marked by one packet of the log, when
 * there is something before it and something after it; and after a gap nobody
 * is sent what is older. */
#include <math.h>

#include "track_test.h"

#define PART 3000u /* packets */

static test_track_t test;
static uint8_t stream[PART * WEIR_TS_PACKET];
static uint8_t copy[4 << 20];

static size_t push_part(test_mux_t *mux, uint32_t packets) {
  size_t length = test_mux_fill(mux, stream, packets);
  uint64_t head = weir_log_head(test.log);
  int64_t n = weir_track_push(test.track, stream, length);
  CHECK_EQ(n, weir_log_head(test.log) - head);
  return (size_t)n;
}

/* A discontinuity packet of the video, whose counter is that of the last. */
static void check_marker(uint64_t position, const test_mux_t *before) {
  uint8_t expected[WEIR_TS_PACKET];
  uint8_t counter = (uint8_t)((before->counters[TEST_VIDEO_PID] - 1) & 15);
  weir_ts_discontinuity(expected, TEST_VIDEO_PID, counter);
  test_copy_log(test.log, position, copy);
  CHECK(memcmp(copy, expected, sizeof expected) == 0);
  CHECK_EQ(copy[3] >> 4, 2); /* no payload */
  CHECK_EQ(copy[5] & 0x80, 0x80);
}

static void test_gap(void) {
  test_mux_t mux = test_mux(2000);
  weir_track_info_t info;
  weir_track_join_t join;
  test_track_open(&test, 3 << 20);
  weir_track_gap(test.track); /* before anything: nothing */
  CHECK_EQ(push_part(&mux, PART), PART * WEIR_TS_PACKET);
  test_mux_t before = mux;
  weir_track_gap(test.track);
  weir_track_gap(test.track);
  uint64_t floor = PART * WEIR_TS_PACKET;
  CHECK_EQ(weir_log_head(test.log), floor);
  weir_track_info(test.track, &info);
  CHECK(info.gaps == 0 && info.floor == floor && info.joins == 0);
  CHECK_EQ(info.last_join, UINT64_MAX);
  weir_track_join(test.track, INFINITY, &join);
  CHECK(!join.is_access && join.position == floor);
  CHECK_EQ(join.preamble_length, 0);
  CHECK_EQ(weir_track_before(test.track, floor, 0), UINT64_MAX);

  /* Another encoder, with another clock. */
  mux = test_mux(2000);
  mux.clock = 77000000;
  CHECK_EQ(push_part(&mux, PART), (PART + 1) * WEIR_TS_PACKET);
  check_marker(floor, &before);
  test_copy_log(test.log, floor + WEIR_TS_PACKET, copy);
  CHECK(memcmp(copy, stream, PART * WEIR_TS_PACKET) == 0);
  weir_track_info(test.track, &info);
  CHECK(info.gaps == 1 && info.floor == floor && info.joins == 3);
  CHECK_EQ(info.counters.continuity, 0);
  weir_track_join(test.track, INFINITY, &join);
  CHECK_EQ(join.position, floor + (1 + 250) * WEIR_TS_PACKET);
  CHECK(fabs(join.seconds - (PART - 250) / 2000.0) < 0.045);
  size_t length = test_copy_log(test.log, join.position, copy);
  CHECK_EQ(
      test_decode(join.preamble, join.preamble_length, copy, length).errors, 0);
  test_track_close(&test);
}

/* As a gap, but the points stay; and time goes on although the clock jumps. */
static void test_splice(uint64_t clock) {
  test_mux_t mux = test_mux(2000);
  weir_track_info_t info;
  weir_track_join_t join;
  test_track_open(&test, 3 << 20);
  weir_track_splice(test.track);
  for (int part = 0; part < 4; part++) {
    test_mux_t before = mux;
    mux = test_mux(2000);
    mux.clock = clock * (uint64_t)(part + 1);
    weir_track_splice(test.track);
    weir_track_splice(test.track);
    uint64_t head = weir_log_head(test.log);
    CHECK_EQ(push_part(&mux, PART), (PART + (part > 0)) * WEIR_TS_PACKET);
    if (part > 0) check_marker(head, &before);
    weir_track_info(test.track, &info);
    CHECK_EQ(info.gaps, part);
    CHECK_EQ(info.floor, 0);
    CHECK_EQ(info.joins, 3 * (part + 1));
  }
  for (double seconds = 0; seconds < 6; seconds += 0.37) {
    weir_track_join(test.track, seconds, &join);
    double exact = (double)(weir_log_head(test.log) - join.position) /
                   WEIR_TS_PACKET / 2000;
    CHECK(fabs(join.seconds - exact) < 0.1);
    CHECK(join.seconds >= seconds || join.position == 250 * WEIR_TS_PACKET);
    size_t length = test_copy_log(test.log, join.position, copy);
    test_decoder_t decoder =
        test_decode(join.preamble, join.preamble_length, copy, length);
    CHECK_EQ(decoder.first_access, 2);
  }
  CHECK_EQ(info.counters.continuity, 0);
  test_track_close(&test);
}

/* A splice that becomes a gap, and the other way round: one packet. */
static void test_both(void) {
  test_mux_t mux = test_mux(2000);
  weir_track_info_t info;
  test_track_open(&test, 3 << 20);
  push_part(&mux, PART);
  weir_track_splice(test.track);
  weir_track_gap(test.track);
  weir_track_splice(test.track);
  CHECK_EQ(push_part(&mux, PART), (PART + 1) * WEIR_TS_PACKET);
  weir_track_info(test.track, &info);
  CHECK_EQ(info.gaps, 1);
  CHECK_EQ(info.floor, PART * WEIR_TS_PACKET);
  test_track_close(&test);
}

/* What the scanner held back before a splice comes before the marker; a part
 * of a packet is not glued to what follows. */
static void test_cut(void) {
  test_mux_t mux = test_mux(2000);
  test_track_open(&test, 3 << 20);
  size_t length = test_mux_fill(&mux, stream, 500);
  test_mux_t before = mux;
  CHECK(weir_track_push(test.track, stream, length - 100) >= 0);
  before.counters[TEST_VIDEO_PID]--; /* the last is cut, and is video */
  weir_track_splice(test.track);
  CHECK_EQ(weir_log_head(test.log), 499 * WEIR_TS_PACKET);
  CHECK_EQ(push_part(&mux, 500), 501 * WEIR_TS_PACKET);
  check_marker(499 * WEIR_TS_PACKET, &before);
  /* Three packets are enough at the end. */
  weir_track_gap(test.track);
  length = test_mux_fill(&mux, stream, 3);
  CHECK_EQ(weir_track_push(test.track, stream, length), 0);
  CHECK_EQ(weir_track_end(test.track), 4 * WEIR_TS_PACKET);
  test_track_close(&test);
}

/* People are told what changes, and not of every packet. */
static void test_changes(void) {
  test_mux_t mux = test_mux(2000);
  test_track_open(&test, 3 << 20);
  push_part(&mux, 1000);
  uint32_t first = test.changes;
  CHECK(first >= 1 && first <= 4);
  for (int i = 0; i < 20; i++)
    push_part(&mux, 1000);
  CHECK_EQ(test.changes, first);
  mux.version++;
  push_part(&mux, 1000);
  CHECK(test.changes > first);
  test_track_close(&test);
}

/* Where a listener that skips lands, and what it is sent first. */
static void test_landing(void) {
  const weir_landing_t *landing = weir_track_landing();
  uint8_t packet[WEIR_LANDING_MAX], expected[WEIR_TS_PACKET];
  test_mux_t mux = test_mux(2000);
  test_track_open(&test, 1 << 20);
  CHECK_EQ(landing->land(test.track), 0);
  CHECK_EQ(landing->inject(test.track, 0, packet), WEIR_TS_PACKET);
  weir_ts_discontinuity(expected, 0, 15);
  CHECK(memcmp(packet, expected, sizeof expected) == 0);

  push_part(&mux, 2600);
  uint64_t last = 2250 * WEIR_TS_PACKET;
  CHECK_EQ(landing->land(test.track), last);
  CHECK_EQ(landing->inject(test.track, last, packet), WEIR_TS_PACKET);
  size_t length = test_copy_log(test.log, last, copy);
  CHECK_EQ(packet[2], TEST_VIDEO_PID & 0xff);
  CHECK_EQ((packet[3] + 1) & 15, copy[3] & 15);
  CHECK_EQ(test_decode(packet, WEIR_TS_PACKET, copy, length).errors, 0);

  /* No point is kept: head. */
  mux.gop = 1000000;
  push_part(&mux, 3000);
  push_part(&mux, 3000);
  uint64_t head = weir_log_head(test.log);
  CHECK_EQ(landing->land(test.track), head);
  CHECK_EQ(landing->inject(test.track, head, packet), WEIR_TS_PACKET);
  CHECK_EQ(packet[3] & 15, (mux.counters[TEST_VIDEO_PID] - 1) & 15);
  weir_track_info_t info;
  weir_track_info(test.track, &info);
  CHECK_EQ(info.joins, 0);
  CHECK_EQ(info.last_join, UINT64_MAX);
  test_track_close(&test);
}

int main(void) {
  test_gap();
  test_splice(900000);
  test_splice((uint64_t)9 * WEIR_TS_CLOCK);
  test_splice((((uint64_t)1 << 33) * 300) - WEIR_TS_CLOCK);
  test_both();
  test_cut();
  test_changes();
  test_landing();
  return 0;
}
