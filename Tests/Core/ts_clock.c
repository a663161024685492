/* PCRs are reported as they stand; rate and duration are by the steps between
 * them that can be believed. */
#include "ts_build.h"
#include "ts_record.h"

#define WRAP (((uint64_t)1 << 33) * 300)

static build_t build;

/* `count` PCRs, `step` ticks and `packets` packets apart. */
static void clocked(uint64_t *pcr, uint64_t step, size_t packets,
                    size_t count) {
  for (size_t i = 0; i < count; i++) {
    build_field_t field = {.flags = 0x10, .pcr = *pcr};
    uint8_t payload[100] = {0};
    build_packet(&build, 0x101, &field, payload, sizeof payload);
    for (size_t k = 1; k < packets; k++)
      build_fill(&build, k % 3 == 0 ? 0x101 : 0x102);
    *pcr = (*pcr + step) % WRAP;
  }
}

static double bitrate;
static uint64_t duration;
static record_t record;

static void scan(void) {
  record_start(&record);
  CHECK_EQ(weir_ts_push(record.ts, build.bytes, build.length), 0);
  CHECK_EQ(weir_ts_end(record.ts), 0);
  bitrate = weir_ts_bitrate(record.ts);
  duration = weir_ts_duration(record.ts);
  record_stop(&record);
}

static void start(uint32_t stride) {
  build_start(&build, stride, 1);
  build_psi(&build, 0x1b, 0x0f);
}

static int is_near(double value, double expected) {
  return value > expected * 0.9999 && value < expected * 1.0001;
}

static void check_values(void) {
  static const uint64_t values[] = {
      0, 1, 299, 300, 301, 27000000, WRAP / 2, WRAP - 300, WRAP - 1};
  start(188);
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    build_field_t field = {.flags = i % 2 == 0 ? 0x10 : 0x90, .pcr = values[i]};
    build_packet(&build, 0x101, &field, (const uint8_t *)"x", 1);
  }
  scan();
  CHECK_EQ(record_count(&record, RECORD_PCR), 9);
  for (size_t i = 0; i < 9; i++) {
    record_event_t event = record_get(&record, RECORD_PCR, i);
    CHECK_EQ(event.a, 0x101);
    CHECK_EQ(event.b, values[i]);
    CHECK_EQ(event.c, ((2 + i) * 188) << 1 | (i % 2));
    CHECK_EQ(event.d, 2 + i);
  }
}

int main(void) {
  check_values();

  /* 20 ms and 50 packets: 3.76 Mbit/s; across the wrap; any stride. */
  static const uint32_t strides[] = {188, 192, 204};
  for (size_t i = 0; i < 3; i++)
    for (uint64_t begin = 0; begin < 2; begin++) {
      uint64_t pcr = begin == 0 ? 77 : WRAP - 100 * 540000;
      start(strides[i]);
      clocked(&pcr, 540000, 50, 201);
      scan();
      CHECK_EQ(duration, 200 * 540000);
      CHECK(is_near(bitrate, 3760000));
    }

  /* One with each picture, of which there is one a second or less. */
  for (uint64_t seconds = 1; seconds <= 5; seconds++) {
    uint64_t pcr = WRAP - 27000000;
    start(188);
    clocked(&pcr, seconds * 27000000, 100 * seconds, 21);
    scan();
    CHECK_EQ(duration, 20 * seconds * 27000000);
    CHECK(is_near(bitrate, 100 * 188 * 8));
  }

  uint64_t pcr = 5; /* too few to tell */
  start(188);
  clocked(&pcr, 540000, 50, 10);
  scan();
  CHECK(bitrate == 0);
  CHECK_EQ(duration, 9 * 540000);

  /* The rate is of the last seconds. */
  start(188);
  clocked(&pcr, 1350000, 10, 800);
  clocked(&pcr, 1350000, 40, 801);
  scan();
  CHECK(is_near(bitrate, 40 * 188 * 8 * 20));
  CHECK_EQ(duration, UINT64_C(1600) * 1350000);

  /* Steps back, too far, none at all, or across a discontinuity. */
  for (int kind = 0; kind < 5; kind++) {
    pcr = 27000000;
    start(188);
    clocked(&pcr, 540000, 50, 101);
    pcr -= 540000; /* the last one that was written */
    uint64_t extra = 0;
    build_field_t marker = {.flags = 0x80, .is_unread = 1};
    if (kind == 0) {
      pcr -= 1000000;
    } else if (kind == 1) {
      pcr += 1350000001;
    } else if (kind == 2) {
      pcr += 135000000; /* just not too far */
      extra = 135000000;
    } else if (kind == 3) {
      pcr += 540000;
      build_packet(&build, 0x101, &marker, NULL, 0);
    }
    clocked(&pcr, 540000, 50, 101);
    scan();
    CHECK_EQ(duration, 200 * 540000 + extra);
    if (kind != 2) CHECK(is_near(bitrate, 3760000));
    CHECK_EQ(record.counters.continuity, 0);
  }

  /* Of another PID than the first programme's: reported, of no account. */
  start(188);
  for (uint64_t i = 0; i < 40; i++) {
    build_field_t field = {.flags = 0x10, .pcr = i * 540000};
    build_packet(&build, 0x102, &field, (const uint8_t *)"x", 1);
  }
  scan();
  CHECK_EQ(record_count(&record, RECORD_PCR), 40);
  CHECK_EQ(duration, 0);
  CHECK(bitrate == 0);

  build_free(&build);
  record_free(&record);
  return 0;
}
