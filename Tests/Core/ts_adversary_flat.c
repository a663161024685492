/* Nothing but sync bytes never locks, nor do packets full of them away from
 * where they begin. */
#include "ts_build.h"
#include "ts_record.h"

static build_t build;
static record_t record;

static void check_flat(void) {
  size_t length = WEIR_TS_SEARCH_MAX + 1000;
  uint8_t *bytes = malloc(length);
  CHECK(bytes != NULL);
  memset(bytes, 0x47, length);
  for (size_t some = 1; some < 3000; some += 7)
    CHECK_EQ(record_scan(&record, bytes, some), WEIR_ENOTTS);
  CHECK_EQ(record_scan(&record, bytes, length), WEIR_ENOTTS);
  CHECK_EQ(record.counters.packets, 0);
  CHECK_EQ(record.counters.locks, 0);
  CHECK_EQ(record.counters.bytes, WEIR_TS_SEARCH_MAX);
  free(bytes);
}

/* Null packets, and packets of a PID, with a payload of one byte. */
static void check_stuffed(uint32_t stride, uint8_t stuffing, int is_null) {
  uint8_t payload[184];
  memset(payload, stuffing, sizeof payload);
  build_start(&build, stride, 3);
  build_garbage(&build, 50);
  for (int i = 0; i < 80; i++) {
    if (is_null && i % 10 != 0)
      build_null(&build, stuffing);
    else
      build_packet(&build, 0x147, NULL, payload, sizeof payload);
  }
  for (size_t from = 50; from < 50 + 2 * stride; from++) {
    CHECK_EQ(record_scan(&record, build.bytes + from, build.length - from), 0);
    size_t at = from + record.event[0].a - 50 - (stride == 192 ? 4 : 0);
    CHECK_EQ(record.event[0].b, stride);
    CHECK_EQ(at % stride, 0);
    CHECK_EQ(record.counters.locks, 1);
    CHECK_EQ(record.counters.packets, 80 - at / stride);
  }
}

int main(void) {
  check_flat();
  static const uint32_t strides[] = {188, 192, 204};
  for (size_t i = 0; i < 3; i++) {
    check_stuffed(strides[i], 0x47, 1);
    check_stuffed(strides[i], 0x47, 0);
    check_stuffed(strides[i], 0xff, 1);
  }
  build_free(&build);
  record_free(&record);
  return 0;
}
