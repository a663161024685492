/* Tables come whole however they lie in packets; a wrong CRC, a table that is
 * not current and what is missing change nothing. */
#include "ts_build.h"
#include "ts_record.h"

static build_t build;
static record_t record;

/* A PMT of `streams` streams with descriptors, and its packets. */
static void pmt(build_section_t *section, uint16_t number, uint8_t version,
                size_t streams, size_t descriptors) {
  build_pmt_open(section, number, version, 0x101);
  for (size_t i = 0; i < streams; i++)
    build_pmt_entry(section, i == 0 ? 0x1b : 0x0f, (uint16_t)(0x101 + i),
                    descriptors);
  build_close(section);
}

static void pat_of(uint16_t pid) {
  build_section_t section;
  build_open(&section, 0, 1, 0, 0, 0);
  build_pat_entry(&section, 0, 0x10); /* the network's, no programme */
  build_pat_entry(&section, 1, pid);
  build_close(&section);
  build_sections(&build, 0, &section, 1);
}

static void scan(void) {
  CHECK_EQ(record_scan(&record, build.bytes, build.length), 0);
}

/* Each size up to the longest, beginning at each place of a packet. */
static void check_sizes(void) {
  for (size_t streams = 1; streams <= 32; streams++)
    for (size_t descriptors = 0; descriptors < 300; descriptors += 23) {
      build_section_t section;
      if (16 + streams * (5 + descriptors) > 1024) continue;
      pmt(&section, 1, 3, streams, descriptors);
      build_start(&build, 188, 1);
      pat_of(0x100);
      build_sections(&build, 0x100, &section, 1);
      build_fill(&build, 0x101);
      scan();
      CHECK_EQ(record.counters.sections, 2);
      CHECK_EQ(record_count(&record, RECORD_PROGRAM), 2);
      record_event_t event = record_get(&record, RECORD_PROGRAM, 1);
      CHECK_EQ(event.a, 1);
      CHECK_EQ(event.b, 3);
      CHECK_EQ(event.c, 1 + streams);
      CHECK_EQ(event.d, section.length / 184 + 1); /* the last of it */
      CHECK_EQ(record.program.pcr_pid, 0x101);
      for (size_t i = 0; i < streams; i++) {
        CHECK_EQ(record.program.stream[i].pid, 0x101 + i);
        CHECK_EQ(record.program.stream[i].type, i == 0 ? 0x1b : 0x0f);
        CHECK_EQ(record.program.stream[i].is_video, i == 0);
        CHECK_EQ(record.program.stream[i].is_audio, i > 0);
      }
    }
}

/* A PID's sections as one run of bytes, each beginning where the one before
 * ends: a packet in which any begins says where the first does. */
static void put_run(const build_section_t *sections, size_t count,
                    size_t space) {
  uint8_t bytes[16384];
  size_t begin[64];
  size_t length = space;
  memset(bytes, 0xff, sizeof bytes);
  for (size_t i = 0; i < count; i++) {
    begin[i] = length;
    memcpy(bytes + length, sections[i].bytes, sections[i].length);
    length += sections[i].length;
  }
  size_t next = 0;
  for (size_t at = 0; at < length;) {
    uint8_t payload[184];
    while (next < count && begin[next] < at)
      next++;
    int is_start = next < count && begin[next] < at + 183;
    build_field_t field = {.is_start = is_start};
    if (is_start) payload[0] = (uint8_t)(begin[next] - at);
    int is_next = next < count && begin[next] == at + 183;
    size_t some = is_start || is_next ? 183 : 184;
    memcpy(payload + is_start, bytes + at, some);
    build_packet(&build, 0x100, &field, payload, some + (size_t)is_start);
    at += some;
  }
}

static void check_runs(void) {
  for (size_t space = 0; space < 190; space++)
    for (size_t descriptors = 0; descriptors < 60; descriptors += 19) {
      build_section_t sections[9];
      for (size_t i = 0; i < 9; i++)
        pmt(&sections[i], 1, (uint8_t)i, 1 + i % 4, i == 4 ? 0 : descriptors);
      build_start(&build, 188, 1);
      pat_of(0x100);
      put_run(sections, 9, space > 183 ? 0 : space);
      build_fill(&build, 0x101);
      build_fill(&build, 0x101);
      scan();
      CHECK_EQ(record.counters.sections, 10);
      CHECK_EQ(record.counters.bad_sections, 0);
      CHECK_EQ(record_count(&record, RECORD_PROGRAM), 10);
      for (size_t i = 0; i < 9; i++) {
        CHECK_EQ(record_get(&record, RECORD_PROGRAM, i + 1).b, i);
        CHECK_EQ(record_get(&record, RECORD_PROGRAM, i + 1).c, 2 + i % 4);
      }
    }
}

static void check_refused(void) {
  for (int kind = 0; kind < 6; kind++) {
    build_section_t section;
    build_start(&build, 188, 1);
    pat_of(0x100);
    pmt(&section, 1, 1, 2, 90);
    build_sections(&build, 0x100, &section, 1);
    pmt(&section, 1, 2, 3, 90);
    size_t bad = 0;
    size_t good = 3;
    size_t events = 2;
    if (kind == 0) { /* a wrong bit */
      section.bytes[100] ^= 4;
      bad = 1, good = 2;
    } else if (kind == 1) { /* for later */
      section.bytes[5] &= 0xfe;
      section.length -= 4;
      build_close(&section);
    } else if (kind == 2) { /* another table, and one without a CRC */
      section.bytes[0] = 0x42;
      good = 2;
    } else if (kind == 3) { /* of a programme that is not listed */
      section.bytes[4] = 9;
      section.length -= 4;
      build_close(&section);
    } else if (kind == 5) { /* nothing is wrong */
      events = 3;
    }
    build_sections(&build, 0x100, &section, 1);
    if (kind == 4) { /* its second packet is missing */
      build.length -= 188;
      good = 2;
    }
    build_fill(&build, 0x101);
    build_fill(&build, 0x100);
    scan();
    CHECK_EQ(record.counters.sections, good);
    CHECK_EQ(record.counters.bad_sections, bad);
    CHECK_EQ(record_count(&record, RECORD_PROGRAM), events);
    CHECK_EQ(record.program.version, kind == 5 ? 2 : 1);
  }
}

/* A packet that is sent twice adds nothing, one that is gone ends it. */
static void check_continuity(void) {
  build_section_t section;
  build_start(&build, 188, 1);
  pat_of(0x100);
  pmt(&section, 1, 0, 4, 120);
  uint8_t bytes[552] = {0};
  memcpy(bytes + 1, section.bytes, section.length);
  build_field_t first = {.is_start = 1};
  build_field_t again = {.is_again = 1};
  build_packet(&build, 0x100, &first, bytes, 184);
  build_packet(&build, 0x100, NULL, bytes + 184, 184);
  build_packet(&build, 0x100, &again, bytes + 184, 184);
  build_packet(&build, 0x100, NULL, bytes + 368, 184);
  scan();
  CHECK_EQ(record.counters.sections, 2);
  CHECK_EQ(record.counters.duplicates, 1);
  CHECK_EQ(record.program.streams, 4);

  build_start(&build, 188, 1);
  pat_of(0x100);
  build_packet(&build, 0x100, &first, bytes, 184);
  build.counter[0x100]++;
  build_packet(&build, 0x100, NULL, bytes + 184, 184);
  build_packet(&build, 0x100, NULL, bytes + 368, 184);
  build_fill(&build, 0x101);
  scan();
  CHECK_EQ(record.counters.sections, 1);
  CHECK_EQ(record.counters.continuity, 1);
  CHECK_EQ(record.program.is_known, 0);
}

/* Ones that break off without a gap give way to the next. */
static void check_unfinished(void) {
  build_section_t section;
  build_start(&build, 188, 1);
  pat_of(0x100);
  pmt(&section, 1, 1, 4, 120);
  build_field_t first = {.is_start = 1};
  uint8_t bytes[184] = {0};
  memcpy(bytes + 1, section.bytes, 183);
  for (int i = 0; i < 20; i++)
    build_packet(&build, 0x100, &first, bytes, 184);
  pmt(&section, 1, 2, 3, 120);
  build_sections(&build, 0x100, &section, 1);
  scan();
  CHECK_EQ(record.counters.sections, 2);
  CHECK_EQ(record.counters.bad_sections, 0);
  CHECK_EQ(record.program.version, 2);
}

int main(void) {
  check_unfinished();
  check_sizes();
  check_runs();
  check_refused();
  check_continuity();
  build_free(&build);
  record_free(&record);
  return 0;
}
