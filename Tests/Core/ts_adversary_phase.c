/* Sync bytes in the payload, a packet apart and with headers that are
 * plausible, do not win over the real phase: also not when they come first,
 * nor with a sync byte of a real packet damaged. */
#include "ts_build.h"
#include "ts_record.h"

static build_t build;
static record_t record;

enum { CONSTANT, NULLS, GAPS, COUNTING, RANDOM, KINDS };

static void forge(uint8_t *header, int kind, size_t index, uint64_t *seed) {
  header[0] = 0x47;
  if (kind == CONSTANT) {
    memcpy(header + 1, "\x01\x23\x15", 3);
  } else if (kind == NULLS) {
    memcpy(header + 1, "\x1f\xff\x10", 3);
  } else if (kind == GAPS || kind == COUNTING) {
    header[1] = 0x01;
    header[2] = 0x23;
    header[3] = (uint8_t)(0x10 | (index * (kind == GAPS ? 3 : 1) & 15));
  } else {
    header[1] = (uint8_t)(test_random(seed) & 0x1f);
    header[2] = (uint8_t)test_random(seed);
    header[3] = (uint8_t)(0x10 | (test_random(seed) & 15));
  }
}

static void check(uint32_t stride, int kind, size_t phase, size_t start,
                  size_t damaged) {
  uint64_t seed = 1 + phase + start;
  build_start(&build, stride, 77);
  build_pictures(&build, 20);
  size_t header = stride == 192 ? 4 : 0;
  for (size_t at = 0, i = 0; at + stride <= build.length; at += stride) {
    uint8_t *packet = build.bytes + at + header;
    /* Its own header stays; behind that each packet can have one. */
    if (phase < 64 && (packet[3] & 0x20 || packet[1] & 0x40)) continue;
    forge(packet + phase, kind, i++, &seed);
  }
  for (size_t i = 0; i < damaged; i++)
    build.bytes[header + (start / stride + 2 + i) * stride] = 0x11;
  CHECK_EQ(record_scan(&record, build.bytes + start, build.length - start), 0);
  for (size_t i = 0; i < record_count(&record, RECORD_LOCK); i++) {
    record_event_t lock = record_get(&record, RECORD_LOCK, i);
    CHECK_EQ(lock.b, stride);
    CHECK_EQ((start + lock.a) % stride, header);
  }
  /* What is lost: the packet that was cut, and those around the damage. */
  size_t least = build.count - (start + stride - 1) / stride;
  CHECK(record.counters.packets >= least - (damaged > 0 ? 3 + damaged : 0));
}

int main(void) {
  static const uint32_t strides[] = {188, 192, 204};
  for (size_t i = 0; i < 3; i++)
    for (int kind = 0; kind < KINDS; kind++)
      for (size_t phase = 4; phase <= 184; phase += 20)
        for (size_t start = 2000; start < 2000 + 204; start += 17) {
          check(strides[i], kind, phase, start, 0);
          check(strides[i], kind, phase, start, 1);
          check(strides[i], kind, phase, start, 2);
        }
  build_free(&build);
  record_free(&record);
  return 0;
}
