/* At the end of the input three packets are enough; what is left of one is
 * never glued to the next input. */
#include "ts_build.h"
#include "ts_record.h"

static build_t build;
static record_t record;

/* Packets that the rest of an input holds, cut anywhere. */
static void check_cut(uint32_t stride) {
  for (size_t length = 0; length < 8 * stride; length++) {
    build_start(&build, stride, 5);
    for (int i = 0; i < 8; i++)
      build_fill(&build, 0x100);
    size_t header = stride == 192 ? 4 : 0;
    size_t begun = 0; /* sync bytes */
    size_t whole = 0;
    for (size_t i = 0; i < 8; i++) {
      begun += length > header + i * stride;
      whole += length >= header + i * stride + 188;
    }
    int is_found = begun >= WEIR_TS_LOCK_AT_END;
    int status = record_scan(&record, build.bytes, length);
    CHECK_EQ(status, is_found || length == 0 ? 0 : WEIR_ENOTTS);
    CHECK_EQ(record.counters.packets, is_found ? whole : 0);
    CHECK_EQ(record.counters.bytes, length);
    CHECK_EQ(record_count(&record, RECORD_FOREIGN),
             is_found || length == 0 ? 0 : 1);
    if (!is_found) CHECK_EQ(record.counters.skipped, length);
  }
}

static void check_not_glued(void) {
  for (size_t cut = 1; cut < 188; cut++) {
    build_start(&build, 188, cut);
    for (int i = 0; i < 20; i++)
      build_fill(&build, 0x100);
    record_start(&record);
    CHECK_EQ(weir_ts_push(record.ts, build.bytes, 10 * 188 + cut), 0);
    CHECK_EQ(record.length, 10 * 188);
    CHECK_EQ(weir_ts_continuity(record.ts, 0x100), 9);
    CHECK_EQ(weir_ts_end(record.ts), 0);
    CHECK_EQ(weir_ts_state(record.ts), WEIR_TS_SEARCH);
    CHECK_EQ(weir_ts_continuity(record.ts, 0x100), 9);
    /* The next input goes on where the other packet would, or anew. */
    CHECK_EQ(
        weir_ts_push(record.ts, build.bytes + 10 * 188 + cut, 10 * 188 - cut),
        0);
    CHECK_EQ(weir_ts_end(record.ts), 0);
    record_stop(&record);
    CHECK_EQ(record.counters.packets, 19);
    CHECK_EQ(record.counters.skipped, 188);
    CHECK_EQ(record.counters.continuity, 0);
    CHECK_EQ(record_get(&record, RECORD_LOCK, 1).a, 11 * 188);
    CHECK(memcmp(record.packets + 10 * 188, build.bytes + 11 * 188, 9 * 188) ==
          0);
  }
}

static void check_reset(void) {
  build_start(&build, 188, 9);
  build_pictures(&build, 9);
  size_t packets = build.length / 188;
  record_start(&record);
  CHECK_EQ(weir_ts_push(record.ts, build.bytes, build.length - 100), 0);
  CHECK_EQ(weir_ts_programs(record.ts), 1);
  CHECK(weir_ts_duration(record.ts) > 0);
  weir_ts_reset(record.ts);
  CHECK_EQ(weir_ts_programs(record.ts), 0);
  CHECK_EQ(weir_ts_continuity(record.ts, 0x101), -1);
  CHECK_EQ(weir_ts_duration(record.ts), 0);
  CHECK_EQ(weir_ts_state(record.ts), WEIR_TS_SEARCH);
  size_t before = record.events;
  CHECK_EQ(weir_ts_push(record.ts, build.bytes, build.length), 0);
  CHECK_EQ(record.event[before].kind, RECORD_LOCK);
  CHECK_EQ(record.event[before].a, build.length - 100);
  /* The same stream again is no error, and is read anew. */
  CHECK_EQ(record_count(&record, RECORD_PROGRAM), 4);
  CHECK_EQ(record_count(&record, RECORD_ACCESS), 4);
  record_stop(&record);
  CHECK_EQ(record.counters.packets, 2 * packets - 1);
  CHECK_EQ(record.counters.skipped, 88);
  CHECK_EQ(record.counters.continuity, 0);
  CHECK_EQ(record.counters.bytes, 2 * build.length - 100);
}

int main(void) {
  check_cut(188);
  check_cut(192);
  check_cut(204);
  check_not_glued();
  check_reset();
  build_free(&build);
  record_free(&record);
  return 0;
}
