/* Where decoding can begin, by the indicator and by what the elementary
 * stream says, wherever in its packets that stands. */
#include "ts_build.h"
#include "ts_record.h"

static build_t build;
static record_t record;

enum { H264 = 0x1b, HEVC = 0x24, MPEG2 = 0x02, MPEG1 = 0x01, VC1 = 0xea };

#define AUD4 "\0\0\0\1\x09\xf0"
#define SPS4 "\0\0\1\x67\x64\0\x1f\xac"
#define PPS4 "\0\0\1\x68\xeb"
#define SEI4 "\0\0\1\x06"
#define AUD5 "\0\0\0\1\x46\1\x50"
#define VPS5 "\0\0\1\x40\1\x0c"
#define SPS5 "\0\0\1\x42\1\1"

static const struct {
  const char *name;
  uint8_t type;
  int is_access;
  size_t length;
  const char *head;
} cases[] = {
#define CASE(name, type, is_access, head) \
  { name, type, is_access, sizeof head - 1, head }
    CASE("an IDR picture", H264, 1, AUD4 SPS4 PPS4 "\0\0\1\x65\x88"),
    CASE("an IDR picture alone", H264, 1, "\0\0\1\x65\x88"),
    CASE("a P slice", H264, 0, AUD4 "\0\0\1\x41\x9a"),
    CASE("a P slice, then an IDR one", H264, 0, "\0\0\1\x41\x9a\0\0\1\x65\x88"),
    CASE("an I slice behind parameters", H264, 1,
         SPS4 PPS4 "\0\0\1\x41\x88\x84"),
    CASE("an I slice, the other code", H264, 1, SPS4 PPS4 "\0\0\1\x61\xb2"),
    CASE("an I slice without parameters", H264, 0, AUD4 "\0\0\1\x41\x88\x84"),
    CASE("a P slice behind parameters", H264, 0, SPS4 PPS4 "\0\0\1\x41\x9a"),
    CASE("a recovery point", H264, 1, AUD4 SEI4 "\x06\1\xc4\x80\0\0\1\x41\x9a"),
    CASE("one behind other messages", H264, 1,
         SEI4 "\0\4\1\2\3\4\1\2\xaa\xbb\x06\1\xc4\x80\0\0\1\x41\x9a"),
    CASE("one behind a long message", H264, 1,
         SEI4 "\5\x10"
              "0123456789abcdef\x06\1\xc4\x80\0\0\1\x41\x9a"),
    CASE("a 6 in a message", H264, 0,
         SEI4 "\5\4\x06\1\xc4\x80\x80\0\0\1\x41\x9a"),
    CASE("one behind emulation prevention", H264, 1,
         SEI4 "\5\5\0\0\3\1\2\3\x06\1\xc4\x80\0\0\1\x41\x9a"),
    CASE("a recovery point before a partition", H264, 1,
         SEI4 "\x06\1\xc4\x80\0\0\1\x42\x9a"),
    CASE("an IDR picture of HEVC", HEVC, 1, AUD5 VPS5 SPS5 "\0\0\1\x26\1\xaf"),
    CASE("IDR_N_LP", HEVC, 1, AUD5 "\0\0\1\x28\1\xaf"),
    CASE("CRA", HEVC, 1, AUD5 "\0\0\1\x2a\1\xaf"),
    CASE("BLA", HEVC, 1, AUD5 "\0\0\1\x20\1\xaf"),
    CASE("TRAIL_R", HEVC, 0, AUD5 "\0\0\1\x02\1\xd0"),
    CASE("TRAIL_R behind parameters", HEVC, 0, VPS5 SPS5 "\0\0\1\x02\1\xd0"),
    CASE("RASL", HEVC, 0, AUD5 "\0\0\1\x12\1\xd0"),
    CASE("a sequence header", MPEG2, 1,
         "\0\0\1\xb3\x14\0\xf0\0\0\1\xb5\0\0\1\xb8\0\0\1\0\0\x0f"),
    CASE("a picture", MPEG2, 0, "\0\0\1\0\0\x17"),
    CASE("a group without a sequence", MPEG2, 0, "\0\0\1\xb8\0\0\1\0\0\x0f"),
    CASE("a sequence header of MPEG-1", MPEG1, 1, "\0\0\1\xb3\x14\0\xf0"),
    CASE("nothing that is known", H264, 0, "abcdefghijkl"),
    CASE("a codec that is not looked into", VC1, 0, "\0\0\1\x0f\0\0\1\x0d"),
};
#define CASES (sizeof cases / sizeof cases[0])

static void scan(void) {
  for (int i = 0; i < 4; i++)
    build_null(&build, 0xff);
  CHECK_EQ(record_scan(&record, build.bytes, build.length), 0);
  CHECK_EQ(record.counters.continuity, 0);
  CHECK_EQ(record.counters.access_points, record_count(&record, RECORD_ACCESS));
}

static void require(const char *name, size_t count, uint64_t packet,
                    weir_ts_access_kind_t kind) {
  if (record_count(&record, RECORD_ACCESS) != count)
    fprintf(stderr, "%s\n", name);
  CHECK_EQ(record_count(&record, RECORD_ACCESS), count);
  if (count == 0) return;
  record_event_t event = record_get(&record, RECORD_ACCESS, 0);
  CHECK_EQ(event.a, 0x101);
  CHECK_EQ(event.b, kind);
  CHECK_EQ(event.c, packet * 188);
  CHECK_EQ(event.d, packet);
}

/* Puts a PES packet's bytes into packets of at most `most` bytes each, with
 * packets of another PID between them. */
static void trickle(const uint8_t *bytes, size_t length, size_t most,
                    uint8_t flags) {
  build_field_t field = {.is_start = 1, .flags = flags};
  for (size_t at = 0; at < length;) {
    size_t some = length - at < most ? length - at : most;
    at += build_packet(&build, 0x101, &field, bytes + at, some);
    build_fill(&build, 0x102);
    field = (build_field_t){0};
  }
}

static void check_cases(void) {
  static const size_t mosts[] = {1, 2, 3, 5, 8, 13, 50, 182};
  for (size_t i = 0; i < CASES; i++)
    for (size_t k = 0; k < 8; k++)
      for (uint8_t header = 0; header < 40; header += 13) {
        uint8_t bytes[512] = {0, 0, 1, 0xe0, 0, 0, 0x80, 0, header};
        size_t at = 9u + header;
        memset(bytes + 9, 0xff, header);
        memcpy(bytes + at, cases[i].head, cases[i].length);
        at += cases[i].length;
        for (int fill = 0; fill < 100; fill++)
          bytes[at++] = build_byte(&build) | 1;
        build_start(&build, 188, 1 + i);
        build_psi(&build, cases[i].type, 0x0f);
        trickle(bytes, at, mosts[k], 0);
        scan();
        require(cases[i].name, (size_t)cases[i].is_access, 2,
                WEIR_TS_ACCESS_PICTURE);
        /* With the indicator each is one, and only once. */
        build_start(&build, 188, 1 + i);
        build_psi(&build, cases[i].type, 0x0f);
        trickle(bytes, at, mosts[k], 0x40);
        scan();
        require(cases[i].name, 1, 2, WEIR_TS_ACCESS_INDICATOR);
      }
}

/* What interrupts the bytes that are looked into. */
static void check_interrupted(void) {
  uint8_t bytes[300] = {0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0};
  memset(bytes + 9, 0x11, sizeof bytes - 9);
  memcpy(bytes + 250, "\0\0\1\x65", 4);
  for (int kind = 0; kind < 4; kind++) {
    build_field_t first = {.is_start = 1};
    build_field_t second = {.is_secret = kind == 1};
    build_start(&build, 188, 1);
    build_psi(&build, H264, 0);
    if (kind == 3) build_psi(&build, H264, 0x0f); /* new, the same video */
    build_packet(&build, 0x101, &first, bytes, 184);
    if (kind == 2) build.counter[0x101]++;
    build_packet(&build, 0x101, &second, bytes + 184, 116);
    for (int i = 0; i < 4; i++)
      build_null(&build, 0xff);
    CHECK_EQ(record_scan(&record, build.bytes, build.length), 0);
    CHECK_EQ(record.counters.access_points, kind == 0 || kind == 3 ? 1 : 0);
  }
  /* A start of something else than a PES packet. */
  build_field_t first = {.is_start = 1};
  bytes[2] = 2;
  memcpy(bytes + 20, "\0\0\1\x65", 4);
  build_start(&build, 188, 1);
  build_psi(&build, H264, 0);
  build_packet(&build, 0x101, &first, bytes, 184);
  scan();
  CHECK_EQ(record.counters.access_points, 0);
  bytes[2] = 1;

  /* A start by the indicator ends the looking into the one before. */
  build_start(&build, 188, 1);
  build_psi(&build, H264, 0);
  memset(bytes + 9, 0x11, 30);
  build_packet(&build, 0x101, &first, bytes, 184);
  memcpy(bytes + 9, "\0\0\1\x65", 4);
  first.flags = 0x40;
  build_packet(&build, 0x101, &first, bytes, 182);
  scan();
  require("twice", 1, 3, WEIR_TS_ACCESS_INDICATOR);

  /* Further on than is looked. */
  for (size_t far = 4000; far < 4200; far += 199) {
    static uint8_t filler[8192];
    memset(filler, 0x11, sizeof filler);
    memcpy(filler + far, "\0\0\1\x65", 4);
    build_start(&build, 188, 1);
    build_psi(&build, H264, 0);
    build_pes(&build, 0x101, 0, 0, filler, 5000, 5000);
    scan();
    require("far", far < 4080 ? 1 : 0, 2, WEIR_TS_ACCESS_PICTURE);
  }
}

static void check_kinds(void) {
  /* Key frames with and without the indicator, none of them missed. */
  build_start(&build, 188, 3);
  build_pictures(&build, 33);
  scan();
  CHECK_EQ(record_count(&record, RECORD_ACCESS), 5);

  /* Audio alone: each start. With video none of the audio's. */
  build_start(&build, 188, 4);
  build_psi(&build, 0, 0x0f);
  for (int i = 0; i < 7; i++)
    build_pes(&build, 0x102, 0, 0, "", 0, 500);
  scan();
  CHECK_EQ(record_count(&record, RECORD_ACCESS), 7);
  CHECK_EQ(record_get(&record, RECORD_ACCESS, 0).b, WEIR_TS_ACCESS_AUDIO);
  CHECK_EQ(record_get(&record, RECORD_ACCESS, 6).d, 2 + 6 * 3);

  /* A codec that is not known, with the clock. */
  build_start(&build, 188, 4);
  build_psi(&build, 0x06, 0x05);
  for (int i = 0; i < 7; i++)
    build_pes(&build, 0x101, 0, 0, "", 0, 500);
  scan();
  CHECK_EQ(record_count(&record, RECORD_ACCESS), 7);

  /* Nothing before the programme is known. */
  build_start(&build, 188, 5);
  build_pes(&build, 0x101, 0x40, 0, "\0\0\1\x65", 4, 500);
  build_psi(&build, H264, 0);
  build_pes(&build, 0x101, 0x40, 0, "\0\0\1\x65", 4, 500);
  scan();
  CHECK_EQ(record_count(&record, RECORD_ACCESS), 1);
  CHECK_EQ(record_get(&record, RECORD_ACCESS, 0).d, 5);
}

int main(void) {
  check_cases();
  check_interrupted();
  check_kinds();
  build_free(&build);
  record_free(&record);
  return 0;
}
