/* Which continuity counters may follow which: ISO/IEC 13818-1 2.4.3.3. */
#include "ts_build.h"
#include "ts_record.h"

static build_t build;
static record_t record;

enum { PAYLOAD = 0x10, FIELD = 0x20, BOTH = 0x30, JUMP = 0x100, ERROR = 0x200 };

/* Packets of a PID: what they have, their counter, and E where an error is
 * expected, D where a duplicate is. */
static const struct {
  const char *name;
  struct {
    int has;
    uint8_t counter;
    char expected;
  } packet[8];
} cases[] = {
    {"counts", {{PAYLOAD, 4, 0}, {PAYLOAD, 5, 0}, {BOTH, 6, 0}}},
    {"wraps", {{PAYLOAD, 15, 0}, {PAYLOAD, 0, 0}, {PAYLOAD, 1, 0}}},
    {"one is missing", {{PAYLOAD, 4, 0}, {PAYLOAD, 6, 'E'}, {PAYLOAD, 7, 0}}},
    {"goes back", {{PAYLOAD, 4, 0}, {PAYLOAD, 3, 'E'}, {PAYLOAD, 4, 0}}},
    {"twice", {{PAYLOAD, 4, 0}, {PAYLOAD, 4, 'D'}, {PAYLOAD, 5, 0}}},
    {"three times",
     {{PAYLOAD, 4, 0}, {PAYLOAD, 4, 'D'}, {PAYLOAD, 4, 'E'}, {PAYLOAD, 5, 0}}},
    {"each twice",
     {{PAYLOAD, 4, 0},
      {PAYLOAD, 4, 'D'},
      {PAYLOAD, 5, 0},
      {PAYLOAD, 5, 'D'},
      {PAYLOAD, 6, 0}}},
    {"no payload, no count",
     {{PAYLOAD, 4, 0}, {FIELD, 4, 0}, {FIELD, 4, 0}, {PAYLOAD, 5, 0}}},
    {"a count without payload",
     {{PAYLOAD, 4, 0}, {FIELD, 5, 'E'}, {PAYLOAD, 6, 0}}},
    {"twice, with others between",
     {{PAYLOAD, 4, 0},
      {FIELD, 4, 0},
      {PAYLOAD, 4, 'D'},
      {FIELD, 4, 0},
      {PAYLOAD, 4, 'E'}}},
    {"says that it jumps",
     {{PAYLOAD, 4, 0}, {BOTH | JUMP, 9, 0}, {PAYLOAD, 10, 0}}},
    {"says so in front",
     {{PAYLOAD, 4, 0}, {FIELD | JUMP, 4, 0}, {PAYLOAD, 5, 0}}},
    {"says so and counts",
     {{PAYLOAD, 4, 0}, {BOTH | JUMP, 5, 0}, {PAYLOAD, 6, 0}}},
    {"says so and repeats: no duplicate",
     {{PAYLOAD, 4, 0}, {BOTH | JUMP, 4, 0}, {PAYLOAD, 5, 0}}},
    {"damaged ones do not count",
     {{PAYLOAD, 4, 0}, {PAYLOAD | ERROR, 9, 0}, {PAYLOAD, 5, 0}}},
    {"a damaged one is missed",
     {{PAYLOAD, 4, 0}, {PAYLOAD | ERROR, 5, 0}, {PAYLOAD, 6, 'E'}}},
};

static void put(uint16_t pid, int has, uint8_t counter) {
  build_field_t field = {.flags = (uint8_t)(has & JUMP ? 0x80 : 0),
                         .is_unread = !(has & PAYLOAD),
                         .is_failed = (has & ERROR) != 0};
  uint8_t payload[184] = {1, 2, 3};
  size_t length = has & FIELD ? 100 : 184;
  build_packet(&build, pid, &field, payload, length);
  uint8_t *packet = build.bytes + build.length - 188;
  packet[3] = (uint8_t)((packet[3] & 0xf0) | counter);
}

static void check(size_t index, uint16_t pid) {
  size_t errors = 0;
  size_t duplicates = 0;
  build_start(&build, 188, 1);
  for (int i = 0; i < 4; i++)
    build_null(&build, 0xff);
  for (size_t i = 0; i < 8 && cases[index].packet[i].has != 0; i++) {
    put(pid, cases[index].packet[i].has, cases[index].packet[i].counter);
    /* Others between them do not matter, nor do null packets. */
    build_fill(&build, 0x55);
    build_null(&build, 0xff);
    build.counter[0x1fff] = build_byte(&build) & 15;
  }
  CHECK_EQ(record_scan(&record, build.bytes, build.length), 0);
  for (size_t i = 0; i < 8 && cases[index].packet[i].has != 0; i++) {
    duplicates += cases[index].packet[i].expected == 'D';
    if (cases[index].packet[i].expected != 'E') continue;
    if (record_count(&record, RECORD_CONTINUITY) <= errors)
      fprintf(stderr, "%s\n", cases[index].name);
    record_event_t event = record_get(&record, RECORD_CONTINUITY, errors++);
    CHECK_EQ(event.a, pid);
    CHECK_EQ(event.c, cases[index].packet[i].counter);
    CHECK_EQ(event.d, 4 + 3 * i);
  }
  if (record.counters.continuity != errors ||
      record.counters.duplicates != duplicates)
    fprintf(stderr, "%s\n", cases[index].name);
  CHECK_EQ(record.counters.continuity, errors);
  CHECK_EQ(record_count(&record, RECORD_CONTINUITY), errors);
  CHECK_EQ(record.counters.duplicates, duplicates);
}

static void check_discontinuity(void) {
  uint8_t packet[188];
  build_start(&build, 188, 1);
  for (int i = 0; i < 6; i++)
    build_fill(&build, 0x1abc);
  weir_ts_discontinuity(packet, 0x1abc, 5);
  CHECK_EQ(packet[0], 0x47);
  CHECK_EQ(packet[1], 0x1a);
  CHECK_EQ(packet[2], 0xbc);
  CHECK_EQ(packet[3], 0x25);
  CHECK_EQ(packet[4], 183);
  CHECK_EQ(packet[5], 0x80);
  for (int i = 6; i < 188; i++)
    CHECK_EQ(packet[i], 0xff);
  memcpy(build.bytes + build.length, packet, 188);
  build.length += 188;
  build_fill(&build, 0x1abc);
  CHECK_EQ(record_scan(&record, build.bytes, build.length), 0);
  CHECK_EQ(record.counters.continuity, 0);
  CHECK_EQ(record.counters.packets, 8);
}

int main(void) {
  static const uint16_t pids[] = {0, 1, 0x100, 0x1ffe};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (size_t k = 0; k < 4; k++)
      check(i, pids[k]);
  check_discontinuity();
  build_free(&build);
  record_free(&record);
  return 0;
}
