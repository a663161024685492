/* A wrong sync byte costs its packet; three in a row cost the lock, and the
 * search begins at the first of them. */
#include "ts_build.h"
#include "ts_record.h"

static build_t build;
static record_t record;

static void start(uint32_t stride) {
  build_start(&build, stride, 11);
  for (int i = 0; i < 40; i++)
    build_fill(&build, 0x100);
}

static uint8_t *packet(size_t index) {
  return build.bytes + index * build.stride + (build.stride == 192 ? 4 : 0);
}

static void check_flywheel(uint32_t stride, size_t at, size_t wrong) {
  start(stride);
  for (size_t i = 0; i < wrong; i++)
    *packet(at + i) = 0x46;
  CHECK_EQ(record_scan(&record, build.bytes, build.length), 0);
  CHECK_EQ(record.counters.packets, 40 - wrong);
  CHECK_EQ(record.counters.dropped, wrong);
  CHECK_EQ(record.counters.losses, 0);
  CHECK_EQ(record.counters.locks, 1);
  CHECK_EQ(record.counters.skipped, 0);
  CHECK_EQ(record.counters.continuity, at + wrong < 40 ? 1 : 0);
  CHECK(memcmp(record.packets + (at - 1) * 188, packet(at - 1), 188) == 0);
  if (at + wrong < 40)
    CHECK(memcmp(record.packets + at * 188, packet(at + wrong), 188) == 0);
}

static void check_loss(uint32_t stride, size_t at, size_t wrong) {
  start(stride);
  for (size_t i = 0; i < wrong; i++)
    *packet(at + i) = 0x46;
  CHECK_EQ(record_scan(&record, build.bytes, build.length), 0);
  CHECK_EQ(record.counters.packets, 40 - wrong);
  CHECK_EQ(record.counters.dropped, 0);
  CHECK_EQ(record.counters.losses, 1);
  CHECK_EQ(record.counters.locks, 2);
  CHECK_EQ(record.event[1].kind, RECORD_LOSS);
  CHECK_EQ(record.event[1].a, packet(at) - build.bytes);
  CHECK_EQ(record.event[2].kind, RECORD_LOCK);
  CHECK_EQ(record.event[2].a, packet(at + wrong) - build.bytes);
  CHECK_EQ(record.event[2].b, stride);
}

/* Bytes too many or too few. */
static void check_slip(size_t at, size_t inside, int bytes) {
  start(188);
  uint8_t *from = packet(at) + inside;
  uint8_t *end = build.bytes + build.length;
  if (bytes > 0) {
    memmove(from + bytes, from, (size_t)(end - from));
    memset(from, 0x33, (size_t)bytes);
  } else {
    memmove(from, from - bytes, (size_t)(end - from + bytes));
  }
  build.length += (size_t)bytes;
  CHECK_EQ(record_scan(&record, build.bytes, build.length), 0);
  CHECK_EQ(record.counters.losses, 1);
  /* The one that was cut into is put out with what was in its place, as its
   * sync byte is where it belongs; when bytes are missing these are the first
   * of the next one, which is lost. */
  CHECK_EQ(record.counters.packets, bytes > 0 ? 40 : 39);
  size_t rest = 40 - at - (bytes < 0 && inside > 0 ? 2 : 1);
  CHECK(memcmp(record.packets + record.length - rest * 188,
               build.bytes + build.length - rest * 188, rest * 188) == 0);
}

static void check_state(void) {
  start(188);
  *packet(20) = 0x46;
  *packet(21) = 0x46;
  record_start(&record);
  CHECK_EQ(weir_ts_push(record.ts, build.bytes, 20 * 188), 0);
  CHECK_EQ(weir_ts_state(record.ts), WEIR_TS_LOCKED);
  CHECK_EQ(weir_ts_push(record.ts, packet(20), 2 * 188), 0);
  CHECK_EQ(weir_ts_state(record.ts), WEIR_TS_FLYWHEEL);
  CHECK_EQ(weir_ts_stride(record.ts), 188);
  CHECK_EQ(record.length, 20 * 188);
  CHECK_EQ(weir_ts_push(record.ts, packet(22), 188), 0);
  CHECK_EQ(weir_ts_state(record.ts), WEIR_TS_LOCKED);
  CHECK_EQ(record.length, 21 * 188);
  record_stop(&record);
}

int main(void) {
  static const uint32_t strides[] = {188, 192, 204};
  for (size_t i = 0; i < 3; i++) {
    for (size_t at = 5; at < 30; at++) {
      check_flywheel(strides[i], at, 1);
      check_flywheel(strides[i], at, 2);
      check_loss(strides[i], at, 3);
      check_loss(strides[i], at, 4);
    }
    check_flywheel(strides[i], 39, 1); /* at the end of the input */
    check_flywheel(strides[i], 38, 2);
  }
  for (size_t inside = 0; inside < 188; inside++)
    for (int bytes = 1; bytes < 30; bytes++) {
      check_slip(17, inside, bytes);
      if (inside + (size_t)bytes <= 188) check_slip(17, inside, -bytes);
    }
  check_state();
  build_free(&build);
  record_free(&record);
  return 0;
}
