/* A joiner is told the point that the stream's own times and places say, and
 * what it is sent first fits what follows. */
#include <math.h>

#include "scale.h"
#include "track_test.h"

#define PACKETS 60000u
#define ALL     (PACKETS * WEIR_TS_PACKET)

static uint8_t stream[ALL];
static uint8_t copy[4 << 20];
static uint64_t accesses[PACKETS]; /* positions */
static uint32_t access_count;

static void make_stream(test_mux_t mux) {
  access_count = 0;
  for (uint32_t i = 0; i < PACKETS; i++) {
    test_mux_next(&mux, stream + i * WEIR_TS_PACKET);
    if (mux.is_access) accesses[access_count++] = i * (uint64_t)WEIR_TS_PACKET;
  }
}

/* The newest access that is kept, whole seconds before head and not newer than
 * `limit`; or else the oldest. */
static uint64_t model(const test_track_t *test, uint32_t rate, double seconds) {
  uint64_t head = weir_log_head(test->log), tail = weir_log_tail(test->log);
  uint64_t oldest = UINT64_MAX, found = UINT64_MAX;
  for (uint32_t i = 0; i < access_count; i++) {
    if (accesses[i] < tail || accesses[i] >= head) continue;
    if (oldest == UINT64_MAX) oldest = accesses[i];
    double before = (double)(head - accesses[i]) / WEIR_TS_PACKET / rate;
    if (before >= seconds) found = accesses[i];
  }
  return found != UINT64_MAX ? found : oldest;
}

static double distance(const test_track_t *test, uint32_t rate,
                       uint64_t position) {
  return (double)(weir_log_head(test->log) - position) / WEIR_TS_PACKET / rate;
}

static void check_join(const test_track_t *test, uint32_t rate,
                       double seconds) {
  weir_track_join_t join;
  weir_track_join(test->track, seconds, &join);
  uint64_t expected = model(test, rate, seconds);
  if (expected == UINT64_MAX) {
    CHECK(!join.is_access);
    CHECK_EQ(join.position, weir_log_head(test->log));
    return;
  }
  CHECK(join.is_access);
  double exact = distance(test, rate, join.position);
  if (join.position != expected) {
    /* Within a PCR of what was asked for, either is right. */
    double other = distance(test, rate, expected);
    CHECK(fabs(exact - seconds) < 0.045 || fabs(other - seconds) < 0.045);
  }
  CHECK(fabs(join.seconds - exact) < 0.045);
  /* A decoder knows the programme before the picture, and misses nothing. */
  size_t length = test_copy_log(test->log, join.position, copy);
  test_decoder_t decoder =
      test_decode(join.preamble, join.preamble_length, copy, length);
  CHECK(join.preamble_length >= 2 * WEIR_TS_PACKET);
  CHECK_EQ(decoder.psi_errors, 0);
  CHECK_EQ(decoder.errors, 0);
  CHECK_EQ(decoder.first_pmt + 1, join.preamble_length / WEIR_TS_PACKET);
  CHECK_EQ(decoder.first_access, join.preamble_length / WEIR_TS_PACKET);
}

static void check_before(const test_track_t *test, uint64_t seed) {
  uint64_t head = weir_log_head(test->log);
  uint64_t position = test_random(&seed) % (head + 1);
  uint64_t floor = test_random(&seed) % (position + 1);
  uint64_t tail = weir_log_tail(test->log);
  if (floor < tail) floor = tail;
  uint64_t expected = UINT64_MAX;
  for (uint32_t i = 0; i < access_count; i++)
    if (accesses[i] >= floor && accesses[i] <= position && accesses[i] < head)
      expected = accesses[i];
  CHECK_EQ(weir_track_before(test->track, position, floor), expected);
}

static void check_seconds(const test_track_t *test, uint32_t rate,
                          uint64_t seed) {
  uint64_t head = weir_log_head(test->log);
  uint64_t to = test_random(&seed) % (head + 1);
  uint64_t from = test_random(&seed) % (to + 1);
  double exact = (double)(to - from) / WEIR_TS_PACKET / rate;
  CHECK(fabs(weir_track_seconds(test->track, from, to) - exact) < 0.09);
  CHECK_EQ(weir_track_seconds(test->track, to, from), 0);
}

/* Whatever the chunks, and wherever in the stream somebody joins. */
static void run(test_mux_t mux, size_t capacity, uint64_t seed) {
  test_track_t test;
  make_stream(mux);
  test_track_open(&test, capacity);
  uint64_t began = seed;
  size_t at = 0;
  while (at < ALL) {
    size_t most = test_random(&seed) % 3 == 0 ? 200000 : 4000;
    size_t length = 1 + test_random(&seed) % most;
    if (length > ALL - at) length = ALL - at;
    CHECK(weir_track_push(test.track, stream + at, length) >= 0);
    at += length;
    if (test_random(&seed) % 3 != 0) continue;
    weir_track_info_t info;
    weir_track_info(test.track, &info);
    if (info.bitrate == 0) continue;
    check_join(&test, mux.per_second, 0);
    check_join(&test, mux.per_second, INFINITY);
    check_join(&test, mux.per_second,
               (double)(test_random(&seed) % 3000) / 1e3);
    check_before(&test, test_random(&seed));
    check_seconds(&test, mux.per_second, test_random(&seed));
  }
  /* Every packet is in the log, as it came. */
  CHECK_EQ(weir_log_head(test.log), ALL);
  uint64_t tail = weir_log_tail(test.log);
  size_t kept = test_copy_log(test.log, tail, copy);
  CHECK(memcmp(copy, stream + tail, kept) == 0);
  weir_track_info_t info;
  weir_track_info(test.track, &info);
  CHECK_EQ(info.gaps, 0);
  CHECK_EQ(info.counters.access_points, access_count);
  CHECK_EQ(info.last_join, accesses[access_count - 1]);
  CHECK(fabs(info.bitrate / (mux.per_second * WEIR_TS_PACKET * 8.0) - 1) < .01);
  uint32_t joins = 0;
  for (uint32_t i = 0; i < access_count; i++)
    if (accesses[i] >= tail) joins++;
  CHECK_EQ(info.joins, joins);
  if (getenv("WEIR_VERBOSE") != NULL)
    fprintf(stderr, "seed %" PRIu64 ": %u joins\n", began, joins);
  test_track_close(&test);
}

/* The PSI that a joiner gets is that of its place. */
static void test_versions(void) {
  test_track_t test;
  test_mux_t mux = test_mux(2000);
  test_track_open(&test, 3 << 20);
  for (int part = 0; part < 3; part++) {
    mux.version = (uint8_t)part;
    mux.pmt_bytes = (uint32_t)part * 200;
    size_t length = test_mux_fill(&mux, stream, 4000);
    CHECK_EQ(weir_track_push(test.track, stream, length), length);
  }
  for (int part = 0; part < 3; part++) {
    weir_track_join_t join;
    weir_track_join(test.track, (2 - part) * 2.0 + 1, &join);
    CHECK_EQ(join.preamble_length,
             (2u + (27u + 200u * (uint32_t)part) / 184) * WEIR_TS_PACKET);
    CHECK_EQ(join.preamble[WEIR_TS_PACKET + 4 + 1 + 5], 0xc1 | part << 1);
  }
  test_track_close(&test);
}

/* No PCR: the times are not known, the places are. */
static void test_without_clock(void) {
  test_track_t test;
  test_mux_t mux = test_mux(2000);
  mux.has_no_pcr = 1;
  make_stream(mux);
  test_track_open(&test, 1 << 20);
  CHECK_EQ(weir_track_push(test.track, stream, 1000000), 1000000 / 188 * 188);
  weir_track_join_t join;
  weir_track_join(test.track, 0, &join);
  CHECK_EQ(join.position, model(&test, 2000, 0));
  CHECK_EQ(join.seconds, 0);
  weir_track_join(test.track, 6, &join);
  CHECK_EQ(join.position, model(&test, 2000, INFINITY));
  test_track_close(&test);
}

/* Nowhere to begin yet: head, with the PSI that is known. */
static void test_no_point(void) {
  test_track_t test;
  weir_track_join_t join;
  test_mux_t mux = test_mux(2000);
  mux.gop = 1000000;
  test_track_open(&test, 1 << 20);
  weir_track_join(test.track, 6, &join);
  CHECK(!join.is_access && join.position == 0 && join.preamble_length == 0);
  size_t length = test_mux_fill(&mux, stream, 4000);
  CHECK_EQ(weir_track_push(test.track, stream, length), length);
  weir_track_join(test.track, 6, &join);
  CHECK(!join.is_access);
  CHECK_EQ(join.position, length);
  CHECK_EQ(join.preamble_length, 2 * WEIR_TS_PACKET);
  length = test_mux_fill(&mux, stream, 4000);
  test_decoder_t decoder =
      test_decode(join.preamble, join.preamble_length, stream, length);
  CHECK_EQ(decoder.errors, 0);
  test_track_close(&test);
}

static void test_refused(void) {
  weir_track_t *track;
  weir_log_t *log;
  weir_log_options_t bytes = {.size = sizeof bytes};
  CHECK_EQ(weir_log_create(&log, &bytes), 0);
  weir_track_options_t options = {.size = sizeof options};
  CHECK_EQ(weir_track_create(&track, NULL), WEIR_EOPTION);
  CHECK_EQ(weir_track_create(&track, &options), WEIR_EOPTION);
  options.log = log; /* of another unit */
  CHECK_EQ(weir_track_create(&track, &options), WEIR_EOPTION);
  weir_log_destroy(log);
  weir_track_destroy(NULL);

  test_track_t test;
  test_track_open(&test, 1 << 20);
  memset(stream, 'x', 2 << 20);
  memcpy(stream, "<html>", 6);
  CHECK_EQ(weir_track_push(test.track, stream, 2 << 20), WEIR_ENOTTS);
  CHECK_EQ(weir_track_end(test.track), WEIR_ENOTTS);
  weir_track_info_t info;
  weir_track_info(test.track, &info);
  CHECK_EQ(info.foreign, WEIR_TS_FOREIGN_HTML);
  CHECK_EQ(weir_log_head(test.log), 0);
  /* The next source may be one. */
  weir_track_gap(test.track);
  test_mux_t mux = test_mux(2000);
  size_t length = test_mux_fill(&mux, stream, 100);
  CHECK_EQ(weir_track_push(test.track, stream, length), length);
  CHECK_EQ(weir_log_head(test.log), length);
  test_track_close(&test);
}

int main(void) {
  uint64_t scale = test_scale();
  for (uint64_t seed = 1; seed <= scale; seed++) {
    run(test_mux(5000), 1 << 20, seed);
    run(test_mux(2000), 3 << 20, seed + 100);
    test_mux_t mux = test_mux(3000);
    mux.pmt_bytes = 700;
    mux.psi_every = 77;
    mux.clock = ((uint64_t)1 << 33) * 300 - WEIR_TS_CLOCK; /* wraps */
    run(mux, 2 << 20, seed + 200);
    mux.gop = 100; /* many points */
    run(mux, 3 << 20, seed + 300);
  }
  test_versions();
  test_without_clock();
  test_no_point();
  test_refused();
  return 0;
}
