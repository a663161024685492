/* Packets are found behind any garbage, at each stride, from the fifth sync
 * byte on; and no earlier. */
#include "ts_build.h"
#include "ts_record.h"

static build_t build;
static record_t record;

/* Locks with the last byte that five plausible headers take. */
static void check_fifth(uint32_t stride) {
  build_start(&build, stride, 7);
  for (int i = 0; i < 5; i++)
    build_fill(&build, 0x100);
  size_t header = stride == 192 ? 4 : 0;
  record_start(&record);
  size_t pushed = 0;
  while (record_count(&record, RECORD_LOCK) == 0) {
    CHECK(pushed < build.length);
    CHECK_EQ(weir_ts_state(record.ts), WEIR_TS_SEARCH);
    CHECK_EQ(weir_ts_stride(record.ts), 0);
    CHECK_EQ(weir_ts_push(record.ts, build.bytes + pushed++, 1), 0);
  }
  /* Five headers, but for what other phases take to be ruled out. */
  CHECK(pushed >= header + 4 * stride + 4);
  CHECK_EQ(weir_ts_state(record.ts), WEIR_TS_LOCKED);
  CHECK_EQ(weir_ts_stride(record.ts), stride);
  CHECK_EQ(record.event[0].a, header);
  CHECK_EQ(record.event[0].b, stride);
  CHECK_EQ(weir_ts_push(record.ts, build.bytes + pushed, build.length - pushed),
           0);
  record_stop(&record);
  CHECK_EQ(record.counters.packets, 5);
}

static void check_garbage(uint32_t stride, size_t garbage) {
  build_start(&build, stride, 100 + garbage);
  build_garbage(&build, garbage);
  build_pictures(&build, 4);
  CHECK_EQ(record_scan(&record, build.bytes, build.length), 0);
  size_t at = garbage + (stride == 192 ? 4 : 0);
  CHECK_EQ(record.event[0].kind, RECORD_LOCK);
  CHECK_EQ(record.event[0].a, at);
  CHECK_EQ(record.event[0].b, stride);
  CHECK_EQ(record.counters.packets, build.count);
  CHECK_EQ(record.counters.skipped, garbage);
  CHECK_EQ(record.counters.locks, 1);
  CHECK_EQ(record.counters.losses, 0);
  CHECK_EQ(record.counters.continuity, 0);
  for (size_t i = 0; i < build.count; i++)
    CHECK(memcmp(record.packets + i * 188, build.bytes + at + i * stride,
                 188) == 0);
}

/* A header that is not plausible begins no run. */
static void check_plausible(void) {
  static const uint8_t bad[][2] = {
      {0x00, 0}, {0x20, 182}, {0x20, 0}, {0x30, 183}, {0x30, 255}};
  static const uint8_t good[][2] = {{0x10, 255}, {0x20, 183}, {0x30, 182}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    build_start(&build, 188, 3);
    for (int k = 0; k < 10; k++)
      build_fill(&build, 0x100);
    build.bytes[2 * 188 + 3] = bad[i][0] | 2;
    build.bytes[2 * 188 + 4] = bad[i][1];
    CHECK_EQ(record_scan(&record, build.bytes, build.length), 0);
    CHECK_EQ(record.event[0].a, 3 * 188);
    CHECK_EQ(record.counters.packets, 7);
  }
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    build_start(&build, 188, 3);
    for (int k = 0; k < 10; k++)
      build_fill(&build, 0x100);
    build.bytes[2 * 188 + 3] = good[i][0] | 2;
    build.bytes[2 * 188 + 4] = good[i][1];
    build.bytes[2 * 188 + 1] |= 0x80; /* transport_error_indicator is fine */
    CHECK_EQ(record_scan(&record, build.bytes, build.length), 0);
    CHECK_EQ(record.event[0].a, 0);
    CHECK_EQ(record.counters.packets, 10);
    CHECK_EQ(record.counters.transport, 1);
  }
}

int main(void) {
  static const uint32_t strides[] = {188, 192, 204};
  for (size_t i = 0; i < 3; i++) {
    check_fifth(strides[i]);
    for (size_t garbage = 0; garbage < 450; garbage++)
      check_garbage(strides[i], garbage);
    check_garbage(strides[i], 100000);
    check_garbage(strides[i], WEIR_TS_SEARCH_MAX - 5);
  }
  check_plausible();
  build_free(&build);
  record_free(&record);
  return 0;
}
