/*
 * lines.c - bytes into printable lines at a bounded rate.
 *
 * What a child prints goes to logs and terminals, so control characters do
 * not get through. Well-formed UTF-8 does (RFC 3629 §4): file names are often
 * part of a message.
 */
#include "lines.h"

#include <string.h>

#define SECOND 1000 /* ms */

/* How many bytes a character takes by its first; 0 when none begins so. */
static size_t expected(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return 2;
  if (first >= 0xE0 && first <= 0xEF) return 3;
  if (first >= 0xF0 && first <= 0xF4) return 4;
  return 0;
}

/* Whether the second byte of a character fits its first: no overlong form, no
 * surrogate, nothing past U+10FFFF, none of the controls U+0080 to U+009F. */
static int second_fits(unsigned char first, unsigned char second) {
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (first == 0xC2 || first == 0xE0) low = 0xA0;
  if (first == 0xED) high = 0x9F;
  if (first == 0xF0) low = 0x90;
  if (first == 0xF4) high = 0x8F;
  return second >= low && second <= high;
}

/* Bytes of the printable character at `text`; 0 when there is none. */
static size_t printable(const unsigned char *text, size_t length) {
  size_t bytes = expected(text[0]);
  if (bytes == 0 || bytes > length) return 0;
  if (bytes == 1)
    return (text[0] >= 0x20 && text[0] != 0x7F) || text[0] == '\t';
  if (!second_fits(text[0], text[1])) return 0;
  for (size_t i = 2; i < bytes; i++)
    if ((text[i] & 0xC0) != 0x80) return 0;
  return bytes;
}

static void clean(char *text, size_t length) {
  for (size_t at = 0; at < length;) {
    size_t bytes = printable((const unsigned char *)text + at, length - at);
    if (bytes == 0) text[at] = '?';
    at += bytes > 0 ? bytes : 1;
  }
}

/* How many bytes at the end begin a character that is not complete. */
static size_t unfinished(const char *text, size_t length) {
  for (size_t back = 1; back < 4 && back <= length; back++) {
    unsigned char byte = (unsigned char)text[length - back];
    if ((byte & 0xC0) == 0x80) continue;
    return expected(byte) > back ? back : 0;
  }
  return 0;
}

static uint32_t increment(uint32_t count) {
  return count == UINT32_MAX ? count : count + 1;
}

static int hand_over(weir__lines_t *lines, size_t length,
                     weir__lines_cb callback, void *context) {
  uint32_t suppressed = lines->suppressed;
  lines->suppressed = 0;
  clean(lines->text, length);
  return callback(context, lines->text, length, suppressed);
}

/* The first `length` bytes of text are a line. */
static int end_line(weir__lines_t *lines, size_t length, uint64_t now,
                    weir__lines_cb callback, void *context) {
  if (now - lines->second >= SECOND) {
    lines->second = now;
    lines->handed = 0;
  }
  if (lines->handed >= WEIR_CHILD_LINE_RATE) {
    lines->suppressed = increment(lines->suppressed);
    lines->held = length;
    return 0;
  }
  lines->handed++;
  return hand_over(lines, length, callback, context);
}

void weir__lines_feed(weir__lines_t *lines, const char *bytes, size_t length,
                      uint64_t now, weir__lines_cb callback, void *context) {
  for (size_t i = 0; i < length; i++) {
    char byte = bytes[i];
    size_t ended = lines->length;
    size_t carried = 0;
    if (byte == '\n' || byte == '\r') {
      if (ended == 0) continue;
    } else {
      lines->held = 0;
      lines->text[lines->length++] = byte;
      if (lines->length < sizeof lines->text) continue;
      carried = unfinished(lines->text, lines->length);
      ended = lines->length - carried;
    }
    lines->length = carried;
    char rest[4];
    memcpy(rest, lines->text + ended, carried);
    if (end_line(lines, ended, now, callback, context) != 0) return;
    memcpy(lines->text, rest, carried);
    if (carried > 0) lines->held = 0;
  }
}

void weir__lines_finish(weir__lines_t *lines, weir__lines_cb callback,
                        void *context) {
  size_t length = lines->length;
  if (length == 0) {
    if (lines->held == 0) return;
    length = lines->held;
    lines->suppressed--; /* it is handed over after all */
  }
  lines->length = 0;
  lines->held = 0;
  hand_over(lines, length, callback, context);
}
