/* A report counts packets by PID, lists a bounded number of locks and access
 * points, and goes on behind a stretch that is longer than a search. */
#include "scale.h"
#include "ts_build.h"
#include "ts_mutate.h"

enum { PACKET = 188, CLOCK_PID = 0x101, SOUND_PID = 0x102, OTHER_PID = 0x555 };

/* Sound without video: one can begin at each start of it. */
static void add_sound(build_t *build) {
  static const uint8_t pes[] = {0, 0, 1, 0xc0, 0, 0, 0x80, 0, 0};
  build_field_t field = {.is_start = 1};
  build_packet(build, SOUND_PID, &field, pes, sizeof pes);
}

static void add_clock(build_t *build, uint64_t ticks) {
  build_field_t field = {.flags = 0x10, .pcr = ticks, .is_unread = 1};
  build_packet(build, CLOCK_PID, &field, NULL, 0);
}

/* The tables and so much sound. */
static void build_sound(build_t *build, size_t packets) {
  build_start(build, PACKET, 1);
  build_psi(build, 0, 3);
  for (size_t i = 0; i < packets; i++)
    add_sound(build);
}

static weir_ts_report_t *report_create(void) {
  weir_ts_report_t *report = NULL;
  weir_ts_report_options_t options = {.size = sizeof options};
  CHECK_EQ(weir_ts_report_create(&report, &options), 0);
  return report;
}

static void push(weir_ts_report_t *report, const void *bytes, size_t length,
                 size_t piece) {
  const uint8_t *from = bytes;
  for (size_t at = 0; at < length; at += piece) {
    size_t some = length - at < piece ? length - at : piece;
    CHECK_EQ(weir_ts_report_push(report, from + at, some), 0);
  }
}

static weir_ts_facts_t facts_of(const weir_ts_report_t *report) {
  weir_ts_facts_t facts;
  weir_ts_report_facts(report, &facts);
  return facts;
}

static void counts_by_pid(void) {
  build_t build = {0};
  build_sound(&build, 20);
  for (int i = 0; i < 20; i++)
    build_fill(&build, OTHER_PID);
  build.counter[OTHER_PID] ^= 4;
  build_field_t secret = {.is_secret = 1};
  build_packet(&build, OTHER_PID, &secret, NULL, 0);
  weir_ts_report_t *report = report_create();
  push(report, build.bytes, build.length, 1000);
  push(report, "\x47\x01", 2, 1);
  CHECK_EQ(weir_ts_report_end(report), 0);

  weir_ts_facts_t facts = facts_of(report);
  CHECK_EQ(facts.counters.bytes, build.length + 2);
  CHECK_EQ(facts.counters.packets, 43);
  CHECK_EQ(facts.counters.skipped, 2);
  CHECK_EQ(facts.trailing, 2);
  CHECK_EQ(facts.duration, 0);
  CHECK_EQ(facts.locks, 1);
  CHECK_EQ(weir_ts_report_lock(report, 0)->from, 0);
  CHECK_EQ(weir_ts_report_lock(report, 0)->stride, 188);
  CHECK(weir_ts_report_lock(report, 0)->to == UINT64_MAX);
  CHECK(weir_ts_report_lock(report, 1) == NULL);
  CHECK_EQ(facts.moments, 20);
  CHECK_EQ(weir_ts_report_moment(report, 19)->access.packet, 21);
  CHECK_EQ(weir_ts_report_moment(report, 19)->access.offset, 21 * PACKET);
  CHECK(weir_ts_report_moment(report, 20) == NULL);
  CHECK_EQ(facts.programs, 1);
  CHECK_EQ(weir_ts_report_program(report, 0)->stream[0].pid, SOUND_PID);
  CHECK(weir_ts_report_program(report, 1) == NULL);
  CHECK_EQ(weir_ts_report_pid(report, SOUND_PID)->packets, 20);
  CHECK_EQ(weir_ts_report_pid(report, SOUND_PID)->access_points, 20);
  const weir_ts_pid_t *other = weir_ts_report_pid(report, OTHER_PID);
  CHECK_EQ(other->packets, 21);
  CHECK_EQ(other->continuity, 1);
  CHECK_EQ(other->scrambled, 1);
  CHECK(weir_ts_report_pid(report, WEIR_TS_PIDS) == NULL);
  weir_ts_report_destroy(report);
  build_free(&build);
}

/* What lies behind a hole is found where it is, wherever the pieces end. */
static void goes_on_behind_holes(void) {
  enum { SOUND = 62 };
  size_t hole = 3 * (size_t)WEIR_TS_SEARCH_MAX / 2 + 77;
  build_t build = {0};
  build_sound(&build, SOUND);
  size_t length = 3 * build.length + 2 * hole;
  uint8_t *bytes = calloc(1, length);
  CHECK(bytes != NULL);
  for (size_t i = 0; i < 3; i++)
    memcpy(bytes + i * (build.length + hole), build.bytes, build.length);
  /* Beginnings that come to nothing, so that bytes are held back everywhere:
   * also where a search ends. None lies at a distance that packets have. */
  static const uint8_t header[] = {0x47, 0x40, 0x11, 0x10};
  for (size_t i = 0; i < 2; i++) {
    uint8_t *from = bytes + build.length + i * (build.length + hole);
    for (size_t at = 40; at < hole - 1000; at += 61)
      memcpy(from + at, header, sizeof header);
  }
  uint64_t seed = 7;
  for (uint64_t round = 0; round < 20 * test_scale(); round++) {
    weir_ts_report_t *report = report_create();
    for (size_t at = 0, some; at < length; at += some) {
      some = 1 + test_random(&seed) % (round % 2 ? 3000 : 200000);
      if (some > length - at) some = length - at;
      push(report, bytes + at, some, some);
    }
    CHECK_EQ(weir_ts_report_end(report), 0);
    weir_ts_facts_t facts = facts_of(report);
    CHECK_EQ(facts.counters.bytes, length);
    CHECK_EQ(facts.counters.packets * PACKET, 3 * build.length);
    CHECK_EQ(facts.counters.skipped, 2 * hole);
    CHECK_EQ(facts.locks, 3);
    CHECK_EQ(facts.programs, 1);
    CHECK_EQ(facts.moments, 3 * SOUND);
    for (uint32_t i = 0; i < 3; i++) {
      const weir_ts_lock_t *lock = weir_ts_report_lock(report, i);
      CHECK_EQ(lock->from, i * (build.length + hole));
      if (i < 2) CHECK_EQ(lock->to, lock->from + build.length);
      const weir_ts_moment_t *moment = weir_ts_report_moment(report, i * SOUND);
      CHECK_EQ(moment->access.offset, lock->from + 2 * PACKET);
    }
    weir_ts_report_destroy(report);
  }
  free(bytes);
  build_free(&build);
}

/* Time and the packets in it are those between clock references, on both sides
 * of a hole. */
static void follows_the_clock(void) {
  const uint64_t step = 27000000 / 25;
  build_t build = {0};
  build_sound(&build, 0);
  for (uint64_t i = 0; i < 10; i++) {
    add_clock(&build, 1000 * step + i * step);
    for (int k = 0; k < 3; k++)
      add_sound(&build);
  }
  uint8_t *hole = calloc(2, WEIR_TS_SEARCH_MAX);
  CHECK(hole != NULL);
  weir_ts_report_t *report = report_create();
  push(report, build.bytes, build.length, 1000);
  push(report, hole, 2 * (size_t)WEIR_TS_SEARCH_MAX, 65536);
  push(report, build.bytes, build.length, 1000);
  CHECK_EQ(weir_ts_report_end(report), 0);
  weir_ts_facts_t facts = facts_of(report);
  CHECK_EQ(facts.duration, 2 * 9 * step);
  CHECK_EQ(facts.timed, 2 * 9 * 4);
  CHECK_EQ(weir_ts_report_pid(report, CLOCK_PID)->pcrs, 20);
  CHECK_EQ(weir_ts_report_moment(report, 0)->ticks, 0);
  CHECK_EQ(weir_ts_report_moment(report, 3)->ticks, step);
  CHECK_EQ(weir_ts_report_moment(report, 30)->ticks, 9 * step);
  CHECK_EQ(weir_ts_report_moment(report, 59)->ticks, 18 * step);
  weir_ts_report_destroy(report);
  free(hole);
  build_free(&build);
}

static void lists_are_bounded(void) {
  enum { SOUND = 16 * 1000, TIMES = 5 };
  build_t build = {0};
  build_sound(&build, SOUND);
  size_t tables = 2 * (size_t)PACKET;
  weir_ts_report_t *report = report_create();
  push(report, build.bytes, tables, tables);
  for (int i = 0; i < TIMES; i++)
    push(report, build.bytes + tables, build.length - tables, 65536);
  weir_ts_facts_t facts = facts_of(report);
  CHECK_EQ(facts.moments, WEIR_TS_REPORT_ACCESS_MAX);
  CHECK_EQ(facts.counters.access_points, SOUND * TIMES);
  CHECK_EQ(facts.counters.continuity, 0);
  CHECK_EQ(weir_ts_report_pid(report, SOUND_PID)->access_points, SOUND * TIMES);

  uint8_t zeros[5 * PACKET] = {0};
  for (size_t i = 0; i < WEIR_TS_REPORT_LOCKS_MAX + 5; i++) {
    push(report, zeros, sizeof zeros, sizeof zeros);
    push(report, build.bytes, 20 * (size_t)PACKET, 20 * (size_t)PACKET);
  }
  CHECK_EQ(weir_ts_report_end(report), 0);
  facts = facts_of(report);
  CHECK_EQ(facts.locks, WEIR_TS_REPORT_LOCKS_MAX);
  CHECK_EQ(facts.counters.locks, WEIR_TS_REPORT_LOCKS_MAX + 6);
  CHECK(weir_ts_report_lock(report, WEIR_TS_REPORT_LOCKS_MAX) == NULL);
  weir_ts_report_destroy(report);
  build_free(&build);
}

static void refuses(void) {
  weir_ts_report_t *report = NULL;
  CHECK_EQ(weir_ts_report_create(&report, NULL), WEIR_EOPTION);
  weir_ts_report_destroy(NULL);
  static const char page[] = "<!DOCTYPE html><html><head><title>404</title>";
  report = report_create();
  CHECK_EQ(weir_ts_report_push(report, page, sizeof page - 1), 0);
  CHECK_EQ(weir_ts_report_end(report), WEIR_ENOTTS);
  CHECK_EQ(facts_of(report).foreign, WEIR_TS_FOREIGN_HTML);
  CHECK_EQ(facts_of(report).locks, 0);
  weir_ts_report_destroy(report);
  report = report_create();
  CHECK_EQ(weir_ts_report_end(report), 0);
  weir_ts_report_destroy(report);
}

/* Whatever has happened to a stream, lists and counts say the same. */
static void adds_up(void) {
  build_t build = {0};
  uint64_t seed = 0x5ca7;
  for (uint64_t round = 0; round < 100 * test_scale(); round++) {
    mutate_build(&build, &seed, 8);
    weir_ts_report_t *report = report_create();
    push(report, build.bytes, build.length, 1 + mutate_below(&seed, 5000));
    int error = weir_ts_report_end(report);
    weir_ts_facts_t facts = facts_of(report);
    CHECK(error == 0 || (error == WEIR_ENOTTS && facts.counters.locks == 0));
    CHECK_EQ(facts.counters.bytes, build.length);
    CHECK(facts.trailing <= facts.counters.skipped);
    CHECK_EQ(facts.locks, facts.counters.locks);
    CHECK_EQ(facts.moments, facts.counters.access_points);
    weir_ts_pid_t sum = {0};
    for (uint32_t i = 0; i < WEIR_TS_PIDS; i++) {
      const weir_ts_pid_t *pid = weir_ts_report_pid(report, i);
      sum.packets += pid->packets;
      sum.continuity += pid->continuity;
      sum.access_points += pid->access_points;
    }
    CHECK_EQ(sum.packets, facts.counters.packets);
    CHECK_EQ(sum.continuity, facts.counters.continuity);
    CHECK_EQ(sum.access_points, facts.counters.access_points);
    for (uint32_t i = 0; i < facts.locks; i++) {
      const weir_ts_lock_t *lock = weir_ts_report_lock(report, i);
      CHECK(lock->from < lock->to);
      CHECK(i == 0 || lock[-1].to <= lock->from);
    }
    weir_ts_report_destroy(report);
  }
  build_free(&build);
}

int main(void) {
  counts_by_pid();
  goes_on_behind_holes();
  follows_the_clock();
  lists_are_bounded();
  refuses();
  adds_up();
  return 0;
}
