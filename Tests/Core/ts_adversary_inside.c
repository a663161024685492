/* A transport stream in the payload of another: the outer one is found. Its
 * packets are a good run at a stride of 192, 184 bytes and a header. */
#include "ts_build.h"
#include "ts_record.h"

static build_t inner, outer;
static record_t record;

static void check(uint32_t stride) {
  build_start(&inner, 188, 21);
  build_pictures(&inner, 40);
  build_start(&outer, stride, 22);
  for (size_t at = 0; at < inner.length;)
    at +=
        build_packet(&outer, 0x222, NULL, inner.bytes + at, inner.length - at);
  size_t header = stride == 192 ? 4 : 0;
  for (size_t from = 0; from < 100 * stride; from += 13) {
    CHECK_EQ(record_scan(&record, outer.bytes + from, outer.length - from), 0);
    CHECK_EQ(record.counters.locks, 1);
    CHECK_EQ(record.event[0].b, stride);
    size_t at = from + record.event[0].a;
    CHECK_EQ(at % stride, header);
    CHECK_EQ(record.counters.packets, outer.count - at / stride);
    CHECK_EQ(weir_ts_find_sync(outer.bytes, outer.length, from, NULL), at);
  }
}

int main(void) {
  check(188);
  check(192);
  check(204);
  build_free(&inner);
  build_free(&outer);
  record_free(&record);
  return 0;
}
