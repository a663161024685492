/* In M2TS, the time before each packet can begin with a sync byte, and look
 * like a header. */
#include "ts_build.h"
#include "ts_record.h"

static build_t build;
static record_t record;

static void check(uint32_t step, size_t from) {
  build_start(&build, 192, 5);
  build_pictures(&build, 30);
  uint32_t time = 0x47051010; /* two bits of copy permission, 27 MHz */
  for (size_t at = 0; at < build.length; at += 192, time += step) {
    uint32_t shown = (time & 0x00ffffff) | 0x47000000;
    for (int i = 0; i < 4; i++)
      build.bytes[at + (size_t)i] = (uint8_t)(shown >> (24 - 8 * i));
  }
  CHECK_EQ(record_scan(&record, build.bytes + from, build.length - from), 0);
  CHECK_EQ(record.counters.locks, 1);
  CHECK_EQ(record.event[0].b, 192);
  CHECK_EQ((from + record.event[0].a) % 192, 4);
  CHECK_EQ(record.counters.packets, build.count - (from + 187) / 192);
}

int main(void) {
  /* Steps: the clock stands, counts like a continuity counter, runs. */
  static const uint32_t steps[] = {0, 1, 2, 16, 256, 4096, 5062, 0x10001};
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
    for (size_t from = 0; from < 400; from++)
      check(steps[i], from);
  build_free(&build);
  record_free(&record);
  return 0;
}
