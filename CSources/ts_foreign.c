/*
 * ts_foreign.c - what bytes that are no transport stream look like. Only for
 * the message to whoever configured the address: a login page, a playlist, a
 * file of another kind.
 */
#include <string.h>
#include <strings.h>

#include "ts_state.h"

static const struct {
  uint8_t at;
  uint8_t length;
  char bytes[10];
  weir_ts_foreign_t is;
} signatures[] = {
    {0, 7, "#EXTM3U", WEIR_TS_FOREIGN_PLAYLIST},
    {0, 4, "RIFF", WEIR_TS_FOREIGN_RIFF},
    {4, 4, "ftyp", WEIR_TS_FOREIGN_MP4},
    {4, 4, "styp", WEIR_TS_FOREIGN_MP4},
    {4, 4, "moov", WEIR_TS_FOREIGN_MP4},
    {0, 4, "\x1a\x45\xdf\xa3", WEIR_TS_FOREIGN_MATROSKA},
    {0, 4, "OggS", WEIR_TS_FOREIGN_OGG},
    {0, 3, "FLV", WEIR_TS_FOREIGN_FLV},
    {0, 3, "ID3", WEIR_TS_FOREIGN_MP3},
};

static int has_word(const uint8_t *bytes, size_t length, const char *word) {
  size_t size = strlen(word);
  for (size_t i = 0; i + size <= length; i++)
    if (strncasecmp((const char *)bytes + i, word, size) == 0) return 1;
  return 0;
}

weir_ts_foreign_t weir__ts_looks_like(const uint8_t *bytes, size_t length) {
  if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
    bytes += 3; /* a byte order mark */
    length -= 3;
  }
  for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++) {
    size_t at = signatures[i].at;
    size_t size = signatures[i].length;
    if (length >= at + size &&
        memcmp(bytes + at, signatures[i].bytes, size) == 0)
      return signatures[i].is;
  }
  /* A frame of MPEG audio, layer III (ISO/IEC 11172-3 2.4.1.3). */
  if (length >= 3 && bytes[0] == 0xff && (bytes[1] & 0xe6) == 0xe2 &&
      bytes[2] >> 4 != 0 && bytes[2] >> 4 != 15)
    return WEIR_TS_FOREIGN_MP3;
  size_t first = length;
  for (size_t i = length; i-- > 0;) {
    if (bytes[i] == 0x7f ||
        (bytes[i] < 0x20 && memchr("\t\r\n\f", bytes[i], 4) == NULL))
      return WEIR_TS_FOREIGN_UNKNOWN;
    if (bytes[i] > 0x20) first = i;
  }
  if (first == length) return WEIR_TS_FOREIGN_UNKNOWN;
  if (bytes[first] == '<' && (has_word(bytes, length, "<html") ||
                              has_word(bytes, length, "<!doctype html") ||
                              has_word(bytes, length, "<head")))
    return WEIR_TS_FOREIGN_HTML;
  if (bytes[first] == '{' || bytes[first] == '[') return WEIR_TS_FOREIGN_JSON;
  return WEIR_TS_FOREIGN_TEXT;
}

const char *weir_ts_foreign_name(weir_ts_foreign_t looks_like) {
  static const char names[][32] = {
      "something unknown",       /* WEIR_TS_FOREIGN_UNKNOWN, as they come */
      "a web page",              /* HTML */
      "a playlist",              /* PLAYLIST */
      "a RIFF file (WAV, AVI)",  /* RIFF */
      "an MP4 file",             /* MP4 */
      "a Matroska or WebM file", /* MATROSKA */
      "an Ogg stream",           /* OGG */
      "an FLV stream",           /* FLV */
      "an MP3 stream",           /* MP3 */
      "JSON",                    /* JSON */
      "text",                    /* TEXT */
  };
  size_t index = (size_t)looks_like;
  return names[index < sizeof names / sizeof names[0] ? index : 0];
}
