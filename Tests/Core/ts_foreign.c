/* What is no transport stream is refused after a bounded search, or at its
 * end, with a word on what it looks like. */
#include "ts_build.h"
#include "ts_record.h"

static build_t build;
static record_t record;

static const struct {
  const char *head;
  size_t length;
  weir_ts_foreign_t is;
} cases[] = {
#define CASE(head, is) \
  { head, sizeof head - 1, is }
    CASE("<!DOCTYPE html>\n<html lang=en>", WEIR_TS_FOREIGN_HTML),
    CASE("\xef\xbb\xbf \r\n<HTML><body>", WEIR_TS_FOREIGN_HTML),
    CASE("<!-- a gateway's --><head><title>", WEIR_TS_FOREIGN_HTML),
    CASE("<?xml version=\"1.0\"?><MPD>", WEIR_TS_FOREIGN_TEXT),
    CASE("#EXTM3U\n#EXT-X-VERSION:3\n", WEIR_TS_FOREIGN_PLAYLIST),
    CASE("RIFF\x24\0\0\0WAVEfmt ", WEIR_TS_FOREIGN_RIFF),
    CASE("\0\0\0\x20"
         "ftypisom",
         WEIR_TS_FOREIGN_MP4),
    CASE("\0\0\0\x18stypmsdh", WEIR_TS_FOREIGN_MP4),
    CASE("\x1a\x45\xdf\xa3\1\0\0\0", WEIR_TS_FOREIGN_MATROSKA),
    CASE("OggS\0\2", WEIR_TS_FOREIGN_OGG),
    CASE("FLV\1\5\0\0\0\x09", WEIR_TS_FOREIGN_FLV),
    CASE("ID3\4\0\0", WEIR_TS_FOREIGN_MP3),
    CASE("\xff\xfb\x90\x64\0", WEIR_TS_FOREIGN_MP3),
    CASE("{\"error\": \"not found\"}", WEIR_TS_FOREIGN_JSON),
    CASE(" [1, 2]", WEIR_TS_FOREIGN_JSON),
    CASE("404 not found\n", WEIR_TS_FOREIGN_TEXT),
    CASE("  \r\n\t ", WEIR_TS_FOREIGN_UNKNOWN),
    CASE("\0\1\2\3\4", WEIR_TS_FOREIGN_UNKNOWN),
    CASE("GET ", WEIR_TS_FOREIGN_TEXT),
};

static void check_head(size_t index, size_t chunk) {
  const char *head = cases[index].head;
  size_t length = cases[index].length;
  record_start(&record);
  for (size_t at = 0; at < length; at += chunk) {
    size_t some = length - at < chunk ? length - at : chunk;
    CHECK_EQ(weir_ts_push(record.ts, head + at, some), 0);
  }
  CHECK_EQ(weir_ts_end(record.ts), WEIR_ENOTTS);
  CHECK_EQ(record.events, 1);
  CHECK_EQ(record.event[0].kind, RECORD_FOREIGN);
  if (record.event[0].a != cases[index].is) fprintf(stderr, "%s\n", head);
  CHECK_EQ(record.event[0].a, cases[index].is);
  /* The end is the end: another input is looked at anew. */
  CHECK_EQ(weir_ts_end(record.ts), 0);
  build_start(&build, 188, 1);
  for (int i = 0; i < 9; i++)
    build_fill(&build, 0x100);
  CHECK_EQ(weir_ts_push(record.ts, build.bytes, build.length), 0);
  CHECK_EQ(weir_ts_end(record.ts), 0);
  record_stop(&record);
  CHECK_EQ(record.counters.packets, 9);
}

static void check_bound(void) {
  build_start(&build, 188, 2);
  build_garbage(&build, WEIR_TS_SEARCH_MAX + 1);
  memcpy(build.bytes, "#EXTM3U", 7);
  for (size_t i = 7; i < 200; i++)
    build.bytes[i] &= 0x3f; /* no sync byte */
  record_start(&record);
  CHECK_EQ(weir_ts_push(record.ts, build.bytes, WEIR_TS_SEARCH_MAX - 1), 0);
  CHECK_EQ(record.events, 0);
  CHECK_EQ(weir_ts_push(record.ts, build.bytes, 2000), WEIR_ENOTTS);
  CHECK_EQ(record.events, 1);
  CHECK_EQ(record.event[0].a, WEIR_TS_FOREIGN_PLAYLIST);
  /* Nothing more is taken, whatever it is. */
  size_t taken = build.length;
  for (int i = 0; i < 9; i++)
    build_fill(&build, 0x100);
  CHECK_EQ(weir_ts_push(record.ts, build.bytes + taken, 9 * 188), WEIR_ENOTTS);
  CHECK_EQ(weir_ts_end(record.ts), WEIR_ENOTTS);
  CHECK_EQ(record.events, 1);
  weir_ts_counters_t counters;
  weir_ts_counters(record.ts, &counters);
  CHECK_EQ(counters.bytes, WEIR_TS_SEARCH_MAX);
  CHECK_EQ(counters.skipped, WEIR_TS_SEARCH_MAX);
  /* Until it is connected again. */
  weir_ts_reset(record.ts);
  CHECK_EQ(weir_ts_push(record.ts, build.bytes + taken, 9 * 188), 0);
  CHECK_EQ(weir_ts_end(record.ts), 0);
  record_stop(&record);
  CHECK_EQ(record.counters.packets, 9);
  CHECK_EQ(record.event[1].a, WEIR_TS_SEARCH_MAX);

  /* The bound holds for a search in the middle too, from the loss on. */
  build_start(&build, 188, 3);
  for (int i = 0; i < 9; i++)
    build_fill(&build, 0x100);
  build_garbage(&build, WEIR_TS_SEARCH_MAX + 2000);
  memcpy(build.bytes + 9 * 188, "OggS", 4);
  CHECK_EQ(record_scan(&record, build.bytes, build.length), WEIR_ENOTTS);
  CHECK_EQ(record.counters.packets, 9);
  CHECK_EQ(record.counters.bytes, 9 * 188 + WEIR_TS_SEARCH_MAX);
  CHECK_EQ(record.event[2].kind, RECORD_FOREIGN);
  CHECK_EQ(record.event[2].a, WEIR_TS_FOREIGN_OGG);
}

int main(void) {
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    for (size_t chunk = 1; chunk < 70; chunk += 4)
      check_head(i, chunk);
  check_bound();
  for (int i = 0; i <= WEIR_TS_FOREIGN_TEXT; i++)
    for (int k = 0; k < i; k++)
      CHECK(strcmp(weir_ts_foreign_name((weir_ts_foreign_t)i),
                   weir_ts_foreign_name((weir_ts_foreign_t)k)) != 0);
  build_free(&build);
  record_free(&record);
  return 0;
}
