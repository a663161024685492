/* What is listed follows the PAT: in one section or several, with programmes
 * that come, stay and go; and comes out as packets again. */
#include "ts_build.h"
#include "ts_record.h"

static build_t build;
static record_t record;

static void pat(uint8_t version, size_t sections, uint16_t first,
                size_t programs) {
  for (size_t k = 0; k < sections; k++) {
    build_section_t section;
    build_open(&section, 0, 7, version, (uint8_t)k, (uint8_t)(sections - 1));
    for (size_t i = k; i < programs; i += sections)
      build_pat_entry(&section, (uint16_t)(first + i),
                      (uint16_t)(0x200 + first + i));
    build_close(&section);
    build_sections(&build, 0, &section, 1);
  }
}

static void pmt_of(build_section_t *section, uint16_t number,
                   size_t descriptors) {
  build_pmt_open(section, number, 0, (uint16_t)(0x400 + number));
  build_pmt_entry(section, 0x1b, (uint16_t)(0x400 + number), descriptors);
  build_close(section);
}

static void push(void) {
  CHECK_EQ(weir_ts_push(record.ts, build.bytes, build.length), 0);
  build.length = 0;
}

/* All that a programme has, packet by packet beside those of the others. */
static void pmts(uint16_t first, size_t programs, size_t descriptors) {
  static build_section_t sections[64];
  uint8_t bytes[1105];
  for (size_t i = 0; i < programs; i++)
    pmt_of(&sections[i], (uint16_t)(first + i), descriptors);
  for (size_t at = 0; at < sections[0].length + 1; at += 184)
    for (size_t i = 0; i < programs; i++) {
      memset(bytes, 0xff, sizeof bytes);
      bytes[0] = 0;
      memcpy(bytes + 1, sections[i].bytes, sections[i].length);
      build_field_t field = {.is_start = at == 0};
      build_packet(&build, (uint16_t)(0x200 + first + i), &field, bytes + at,
                   184);
    }
}

static size_t known(void) {
  size_t count = 0;
  for (uint32_t i = 0; i < weir_ts_programs(record.ts); i++)
    count += weir_ts_program(record.ts, i)->is_known;
  return count;
}

static void check_lists(void) {
  build_start(&build, 188, 1);
  record_start(&record);
  for (int i = 0; i < 5; i++)
    build_null(&build, 0xff);
  pat(0, 1, 1, 3);
  pmts(1, 3, 0);
  push();
  CHECK_EQ(weir_ts_programs(record.ts), 3);
  CHECK_EQ(known(), 3);
  CHECK_EQ(record_count(&record, RECORD_PROGRAM), 6);
  CHECK(weir_ts_program(record.ts, 3) == NULL);

  /* The same again is nothing new. */
  pat(0, 1, 1, 3);
  pmts(1, 3, 0);
  push();
  CHECK_EQ(record_count(&record, RECORD_PROGRAM), 6);

  /* The first goes, two come; those that stay are still known. */
  pat(1, 1, 2, 4);
  push();
  CHECK_EQ(weir_ts_programs(record.ts), 4);
  CHECK_EQ(weir_ts_program(record.ts, 0)->number, 2);
  CHECK_EQ(weir_ts_program(record.ts, 3)->number, 5);
  CHECK_EQ(known(), 2);
  CHECK_EQ(record_count(&record, RECORD_PROGRAM), 10);
  pmts(2, 4, 0);
  push();
  CHECK_EQ(known(), 4);
  CHECK_EQ(record_count(&record, RECORD_PROGRAM), 12);

  /* The same version with another content: an encoder that was restarted. */
  pat(1, 1, 2, 2);
  push();
  CHECK_EQ(weir_ts_programs(record.ts), 2);

  /* Several sections: nothing happens until all of a version are there. */
  pat(2, 3, 1, 9);
  build.length -= 188;
  push();
  CHECK_EQ(weir_ts_programs(record.ts), 2);
  build.counter[0]--;
  pat(2, 3, 1, 9);
  push();
  CHECK_EQ(weir_ts_programs(record.ts), 9);
  CHECK_EQ(weir_ts_program(record.ts, 8)->number, 9);
  /* Back to what was before, in half of its sections only. */
  pat(3, 3, 1, 9);
  build.length -= 2 * 188;
  build.counter[0] = (build.counter[0] + 14) & 15;
  push();
  uint8_t packets[20 * 188];
  uint16_t pids[20];
  CHECK_EQ(weir_ts_psi(record.ts, packets, pids, 20), 0); /* it is not whole */
  pat(2, 3, 1, 9); /* what it was before */
  push();
  CHECK_EQ(weir_ts_programs(record.ts), 9);
  CHECK_EQ(weir_ts_psi(record.ts, packets, pids, 20), 3 + (int)known());
  pat(2, 3, 1, 3);
  push();
  CHECK_EQ(weir_ts_programs(record.ts), 3);
  record_stop(&record);
  CHECK_EQ(record.counters.continuity, 0);
  CHECK_EQ(record.counters.bad_sections, 0);
}

/* As many as may be, with PMTs of several packets that all come at a time. */
static void check_many(void) {
  build_start(&build, 188, 1);
  record_start(&record);
  pat(0, 1, 1, 40);
  for (int i = 0; i < 5 * 188; i++)
    build_null(&build, 0xff);
  for (int turn = 0; turn < 40 && known() < 32; turn++) {
    pmts(1, 40, 900);
    push();
  }
  CHECK_EQ(weir_ts_programs(record.ts), WEIR_TS_PROGRAMS_MAX);
  CHECK_EQ(known(), WEIR_TS_PROGRAMS_MAX);
  for (uint32_t i = 0; i < 32; i++) {
    CHECK_EQ(weir_ts_program(record.ts, i)->number, 1 + i);
    CHECK_EQ(weir_ts_program(record.ts, i)->stream[0].pid, 0x401 + i);
  }
  record_stop(&record);
}

/* Packets that are made again say the same to another scanner. */
static void check_psi(void) {
  static uint8_t packets[256 * 188];
  static uint16_t pids[256];
  build_start(&build, 188, 1);
  record_start(&record);
  CHECK_EQ(weir_ts_psi(record.ts, packets, pids, 256), 0);
  pat(5, 2, 1, 6);
  pmts(1, 6, 700);
  build_null(&build, 0xff);
  push();
  CHECK_EQ(known(), 6);
  int count = weir_ts_psi(record.ts, packets, pids, 256);
  CHECK_EQ(count, 2 + 6 * 4);
  for (int room = 0; room < count; room++) {
    memset(packets, 0xaa, sizeof packets);
    CHECK_EQ(weir_ts_psi(record.ts, packets, pids, (size_t)room), WEIR_EOPTION);
    CHECK_EQ(packets[room * 188], 0xaa);
  }
  CHECK_EQ(weir_ts_psi(record.ts, packets, pids, 256), count);
  record_stop(&record);

  uint8_t counter[8192] = {0};
  for (int i = 0; i < count; i++) {
    uint8_t *packet = packets + i * 188;
    CHECK_EQ((packet[1] & 0x1f) << 8 | packet[2], pids[i]);
    CHECK_EQ(packet[3], 0x10);
    packet[3] |= counter[pids[i]]++ & 15;
  }
  record_start(&record);
  CHECK_EQ(weir_ts_push(record.ts, packets, (size_t)count * 188), 0);
  CHECK_EQ(weir_ts_end(record.ts), 0);
  CHECK_EQ(weir_ts_programs(record.ts), 6);
  CHECK_EQ(known(), 6);
  record_stop(&record);
  CHECK_EQ(record.counters.sections, 8);
  CHECK_EQ(record.counters.bad_sections, 0);
  CHECK_EQ(record.counters.continuity, 0);
}

int main(void) {
  check_lists();
  check_many();
  check_psi();
  build_free(&build);
  record_free(&record);
  return 0;
}
