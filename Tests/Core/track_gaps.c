/* What does not continue the former is marked in the log, on every PID, when
 * there is something before it and something after it; and after a gap nobody
 * is sent what is older. */
#include <math.h>

#include "track_test.h"

#define PART 3000u /* packets */

static test_track_t test;
static uint8_t stream[PART * WEIR_TS_PACKET];
static uint8_t copy[4 << 20];

static uint16_t pid_of(const uint8_t *packet) {
  return (uint16_t)((packet[1] & 0x1f) << 8 | packet[2]);
}

static size_t push_part(test_mux_t *mux, uint32_t packets) {
  size_t length = test_mux_fill(mux, stream, packets);
  uint64_t head = weir_log_head(test.log);
  int64_t n = weir_track_push(test.track, stream, length);
  CHECK_EQ(n, weir_log_head(test.log) - head);
  return (size_t)n;
}

/* The log from a position on is `count` packets, and before the first of each
 * PID a marker of that PID, whose counter the packet's follows. */
static void check_marked(uint64_t position, const uint8_t *packets,
                         uint32_t count) {
  uint8_t is_marked[8192] = {0}, expected[WEIR_TS_PACKET];
  size_t length = test_copy_log(test.log, position, copy);
  const uint8_t *at = copy;
  for (uint32_t i = 0; i < count; i++, packets += WEIR_TS_PACKET) {
    uint16_t pid = pid_of(packets);
    if (!is_marked[pid]) {
      weir_ts_discontinuity(expected, pid, (packets[3] - 1) & 15);
      CHECK(memcmp(at, expected, WEIR_TS_PACKET) == 0);
      CHECK_EQ(at[3] >> 4, 2); /* no payload */
      CHECK_EQ(at[5] & 0x80, 0x80);
      at += WEIR_TS_PACKET;
      is_marked[pid] = 1;
    }
    CHECK(memcmp(at, packets, WEIR_TS_PACKET) == 0);
    at += WEIR_TS_PACKET;
  }
  CHECK_EQ(length, at - copy);
}

/* Whoever heard all of the log, from the beginning on, heard no error. */
static void check_whole(void) {
  size_t length = test_copy_log(test.log, 0, copy);
  CHECK_EQ(test_decode(copy, 0, copy, length).errors, 0);
}

static void test_gap(void) {
  test_mux_t mux = test_mux(2000);
  weir_track_info_t info;
  weir_track_join_t join;
  test_track_open(&test, 3 << 20);
  weir_track_gap(test.track); /* before anything: nothing */
  CHECK_EQ(push_part(&mux, PART), PART * WEIR_TS_PACKET);
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
  CHECK_EQ(push_part(&mux, PART), (PART + TEST_PIDS) * WEIR_TS_PACKET);
  check_marked(floor, stream, PART);
  check_whole();
  weir_track_info(test.track, &info);
  CHECK(info.gaps == 1 && info.floor == floor && info.joins == 3);
  CHECK_EQ(info.counters.continuity, 0);
  weir_track_join(test.track, INFINITY, &join);
  CHECK_EQ(join.position, floor + (TEST_PIDS + 250) * WEIR_TS_PACKET);
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
    mux = test_mux(2000);
    mux.clock = clock * (uint64_t)(part + 1);
    weir_track_splice(test.track);
    weir_track_splice(test.track);
    uint64_t head = weir_log_head(test.log);
    CHECK_EQ(push_part(&mux, PART),
             (PART + (part > 0 ? TEST_PIDS : 0)) * WEIR_TS_PACKET);
    if (part > 0) check_marked(head, stream, PART);
    check_whole();
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

/* A splice that becomes a gap, and the other way round: one of them. */
static void test_both(void) {
  test_mux_t mux = test_mux(2000);
  weir_track_info_t info;
  test_track_open(&test, 3 << 20);
  push_part(&mux, PART);
  weir_track_splice(test.track);
  weir_track_gap(test.track);
  weir_track_splice(test.track);
  CHECK_EQ(push_part(&mux, PART), (PART + TEST_PIDS) * WEIR_TS_PACKET);
  weir_track_info(test.track, &info);
  CHECK_EQ(info.gaps, 1);
  CHECK_EQ(info.floor, PART * WEIR_TS_PACKET);
  test_track_close(&test);
}

/* What the scanner held back before a splice comes before the markers; a part
 * of a packet is not glued to what follows. */
static void test_cut(void) {
  test_mux_t mux = test_mux(2000);
  test_track_open(&test, 3 << 20);
  size_t length = test_mux_fill(&mux, stream, 500);
  CHECK(weir_track_push(test.track, stream, length - 100) >= 0);
  weir_track_splice(test.track);
  CHECK_EQ(weir_log_head(test.log), 499 * WEIR_TS_PACKET);
  CHECK_EQ(push_part(&mux, 500), (500 + TEST_PIDS) * WEIR_TS_PACKET);
  check_marked(499 * WEIR_TS_PACKET, stream, 500);
  check_whole();
  /* Three packets are enough at the end. */
  weir_track_gap(test.track);
  length = test_mux_fill(&mux, stream, 3);
  CHECK_EQ(weir_track_push(test.track, stream, length), 0);
  CHECK_EQ(weir_track_end(test.track), (3 + 3) * WEIR_TS_PACKET);
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

static void set_pid(uint8_t *packet, uint16_t pid) {
  packet[1] = (uint8_t)((packet[1] & 0xe0) | pid >> 8);
  packet[2] = (uint8_t)pid;
}

/* A PID that comes late has its marker late, and where one can join is known
 * before and behind it. */
static void test_late(void) {
  enum { LATE = 1400 };
  test_mux_t mux = test_mux(2000);
  weir_track_join_t join;
  test_track_open(&test, 3 << 20);
  push_part(&mux, PART);
  mux = test_mux(2000);
  size_t length = test_mux_fill(&mux, stream, PART);
  for (uint8_t *at = stream; at < stream + LATE * WEIR_TS_PACKET;
       at += WEIR_TS_PACKET)
    if (at[1] == TEST_AUDIO_PID >> 8 && at[2] == (TEST_AUDIO_PID & 0xff))
      set_pid(at, WEIR_TS_NO_PID);
  weir_track_gap(test.track);
  CHECK_EQ(weir_track_push(test.track, stream, length),
           (PART + TEST_PIDS) * WEIR_TS_PACKET);
  check_whole();
  for (uint32_t i = 0; i < 3; i++) {
    uint32_t packet = 250 + i * 1000,
             markers = packet < LATE ? TEST_PIDS - 1 : TEST_PIDS;
    weir_track_join(test.track, (PART - packet) / 2000.0, &join);
    CHECK_EQ(join.position, (PART + markers + packet) * WEIR_TS_PACKET);
    test_copy_log(test.log, join.position, copy);
    CHECK(memcmp(copy, stream + packet * WEIR_TS_PACKET, 188) == 0);
  }
  test_track_close(&test);
}

/* However many PIDs there are, so many are marked. */
static void test_limit(void) {
  test_mux_t mux = test_mux(2000);
  test_track_open(&test, 3 << 20);
  push_part(&mux, PART);
  weir_track_gap(test.track);
  size_t length = test_mux_fill(&mux, stream, PART);
  for (uint32_t i = 0; i < PART; i++)
    set_pid(stream + i * WEIR_TS_PACKET, (uint16_t)(0x20 + i % 1000));
  CHECK_EQ(weir_track_push(test.track, stream, length),
           (PART + WEIR_TRACK_MARKERS_MAX) * WEIR_TS_PACKET);
  test_track_close(&test);
}

/* Who goes on at a position is sent one marker, on the PCR's PID: in that
 * nothing jumps, and in the others only where something is lost. */
static void check_landing(const uint8_t *heard, size_t length, uint64_t to) {
  static uint8_t all[sizeof copy];
  uint8_t *end = all + length, *marker = end;
  memcpy(all, heard, length);
  weir_track_landing()->inject(test.track, to, marker);
  end += WEIR_TS_PACKET;
  end += test_copy_log(test.log, to, end);
  const uint8_t *next = marker + WEIR_TS_PACKET;
  while (next < end && pid_of(next) != TEST_VIDEO_PID)
    next += WEIR_TS_PACKET;
  CHECK(next < end);
  uint8_t expected[WEIR_TS_PACKET];
  weir_ts_discontinuity(expected, TEST_VIDEO_PID, (next[3] - 1) & 15);
  CHECK(memcmp(marker, expected, WEIR_TS_PACKET) == 0);
  test_decoder_t decoder = test_decode(all, 0, all, (size_t)(end - all));
  CHECK_EQ(decoder.video_errors, 0);
  CHECK(decoder.errors > 0 && decoder.errors < TEST_PIDS);
}

/* Where a listener that skips lands, and what it is sent first. */
static void test_landing(void) {
  const weir_landing_t *landing = weir_track_landing();
  static uint8_t heard[600 * WEIR_TS_PACKET];
  test_mux_t mux = test_mux(2000);
  test_track_open(&test, 1 << 20);
  CHECK_EQ(landing->land(test.track), 0);

  push_part(&mux, 2601);
  memcpy(heard, stream, sizeof heard);
  uint64_t last = 2250 * WEIR_TS_PACKET;
  CHECK_EQ(landing->land(test.track), last);
  check_landing(heard, sizeof heard, last);

  /* One that is behind that place by now is sent the same. */
  mux.gop = 1000000;
  push_part(&mux, 1001);
  CHECK_EQ(landing->land(test.track), last);
  check_landing(heard, sizeof heard, last);

  /* No point is kept: head. */
  push_part(&mux, 3000);
  push_part(&mux, 3000);
  uint64_t head = weir_log_head(test.log);
  CHECK_EQ(landing->land(test.track), head);
  memcpy(heard, stream, sizeof heard);
  uint8_t before[WEIR_TS_PACKET], after[WEIR_TS_PACKET];
  landing->inject(test.track, head, before);
  push_part(&mux, 500);
  landing->inject(test.track, head, after);
  CHECK(memcmp(before, after, WEIR_TS_PACKET) == 0);
  check_landing(heard, sizeof heard, head);
  weir_track_info_t info;
  weir_track_info(test.track, &info);
  CHECK_EQ(info.joins, 0);
  CHECK_EQ(info.last_join, UINT64_MAX);
  test_track_close(&test);
}

/* Which PID a skip is marked on, by what the PMT says of the PCR. */
static uint16_t landing_pid(uint16_t pcr_pid, int has_psi) {
  uint8_t marker[WEIR_TS_PACKET];
  test_mux_t mux = test_mux(2000);
  mux.pcr_pid = pcr_pid;
  test_track_open(&test, 1 << 20);
  size_t length = test_mux_fill(&mux, stream, PART);
  for (uint32_t i = 0; i < PART && !has_psi; i++) {
    uint8_t *packet = stream + i * WEIR_TS_PACKET;
    if (pid_of(packet) == TEST_PAT_PID || pid_of(packet) == TEST_PMT_PID)
      set_pid(packet, WEIR_TS_NO_PID);
  }
  CHECK(weir_track_push(test.track, stream, length) >= 0);
  weir_track_landing()->inject(test.track,
                               weir_track_landing()->land(test.track), marker);
  CHECK(test_is_marker(marker));
  test_track_close(&test);
  return pid_of(marker);
}

static void test_landing_pid(void) {
  CHECK_EQ(landing_pid(TEST_VIDEO_PID, 1), TEST_VIDEO_PID);
  CHECK_EQ(landing_pid(TEST_AUDIO_PID, 1), TEST_AUDIO_PID);
  CHECK_EQ(landing_pid(WEIR_TS_NO_PID, 1), TEST_VIDEO_PID);
  CHECK_EQ(landing_pid(TEST_AUDIO_PID, 0), TEST_VIDEO_PID); /* where PCRs are */
}

int main(void) {
  test_gap();
  test_splice(900000);
  test_splice((uint64_t)9 * WEIR_TS_CLOCK);
  test_splice((((uint64_t)1 << 33) * 300) - WEIR_TS_CLOCK);
  test_both();
  test_cut();
  test_changes();
  test_late();
  test_limit();
  test_landing();
  test_landing_pid();
  return 0;
}
