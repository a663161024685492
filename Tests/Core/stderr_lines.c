/* Bytes become printable lines, however they arrive, at a bounded rate that
 * loses no count. */
#include "lines.h"
#include "test.h"

typedef struct heard {
  size_t length;
  char text[65536];
  int lines;
  uint32_t suppressed;
  int stop_after; /* lines; 0: never */
} heard_t;

/* Each line in brackets, with the suppressed count before it. */
static int on_line(void *context, const char *line, size_t length,
                   uint32_t suppressed) {
  heard_t *heard = context;
  CHECK(length > 0 && length <= WEIR_CHILD_LINE_MAX);
  if (suppressed > 0)
    heard->length +=
        (size_t)sprintf(heard->text + heard->length, "%" PRIu32, suppressed);
  heard->text[heard->length++] = '[';
  memcpy(heard->text + heard->length, line, length);
  heard->length += length;
  heard->text[heard->length++] = ']';
  heard->text[heard->length] = '\0';
  heard->lines++;
  heard->suppressed += suppressed;
  return heard->lines == heard->stop_after;
}

static weir__lines_t lines;
static heard_t heard;

static void start(void) {
  memset(&lines, 0, sizeof lines);
  memset(&heard, 0, sizeof heard);
}

/* The same lines come out at every split into two and byte by byte. */
static void check(const char *bytes, size_t length, const char *expected) {
  for (size_t split = 0; split <= length + 1; split++) {
    start();
    if (split > length) {
      for (size_t i = 0; i < length; i++)
        weir__lines_feed(&lines, bytes + i, 1, 5, on_line, &heard);
    } else {
      weir__lines_feed(&lines, bytes, split, 5, on_line, &heard);
      weir__lines_feed(&lines, bytes + split, length - split, 5, on_line,
                       &heard);
    }
    weir__lines_finish(&lines, on_line, &heard);
    if (strcmp(heard.text, expected) != 0)
      fprintf(stderr, "%s\n%s\n", heard.text, expected);
    CHECK(strcmp(heard.text, expected) == 0);
  }
}

#define CHECK_LINES(bytes, expected) check("" bytes, sizeof bytes - 1, expected)

static void test_ends(void) {
  CHECK_LINES("", "");
  CHECK_LINES("\n\r\n\r\r\n", "");
  CHECK_LINES("one\ntwo\n", "[one][two]");
  CHECK_LINES("one\r\ntwo\rthree", "[one][two][three]");
  CHECK_LINES("\n\none\n\n\ntwo\n\n", "[one][two]");
}

static void test_printable(void) {
  CHECK_LINES("a\tb\x1b[31mred\x07\x7f\n", "[a\tb?[31mred??]");
  CHECK_LINES("nul\0nul\n", "[nul?nul]");
  /* Well-formed: U+00A0, U+00E9, U+20AC, U+FFFD, U+1F3B5, U+10FFFF. */
  CHECK_LINES(
      "\xc2\xa0\xc3\xa9\xe2\x82\xac\xef\xbf\xbd\xf0\x9f\x8e\xb5"
      "\xf4\x8f\xbf\xbf\n",
      "[\xc2\xa0\xc3\xa9\xe2\x82\xac\xef\xbf\xbd\xf0\x9f\x8e\xb5"
      "\xf4\x8f\xbf\xbf]");
  /* C1 controls; a lone continuation; overlong; surrogate; past U+10FFFF. */
  CHECK_LINES("\xc2\x9b\n", "[??]");
  CHECK_LINES("a\x80z\n", "[a?z]");
  CHECK_LINES("\xc0\xaf\xc1\xbf\n", "[????]");
  CHECK_LINES("\xe0\x9f\xbf\n", "[???]");
  CHECK_LINES("\xed\xa0\x80\n", "[???]");
  CHECK_LINES("\xf0\x8f\xbf\xbf\n", "[????]");
  CHECK_LINES("\xf4\x90\x80\x80\xf5\xff\n", "[??????]");
  /* Cut off by the end of the line, and by another character. */
  CHECK_LINES("\xe2\x82\n\xac\n", "[??][?]");
  CHECK_LINES("\xf0\x9f\xc3\xa9\n", "[??\xc3\xa9]");
}

/* Lines past the maximum come in pieces, none of which cuts a character. */
static void test_long(void) {
  enum { MAX = WEIR_CHILD_LINE_MAX };
  static char text[3 * MAX];
  static const char *const characters[] = {"x", "\xc3\xa9", "\xe2\x82\xac",
                                           "\xf0\x9f\x8e\xb5"};
  for (size_t bytes = 1; bytes <= 4; bytes++) {
    for (size_t offset = 0; offset < bytes; offset++) {
      memset(text, 'a', offset);
      size_t length = offset;
      while (length + bytes <= sizeof text) {
        memcpy(text + length, characters[bytes - 1], bytes);
        length += bytes;
      }
      start();
      weir__lines_feed(&lines, text, length, 0, on_line, &heard);
      weir__lines_finish(&lines, on_line, &heard);
      CHECK(heard.lines == 3 || heard.lines == 4);
      size_t at = 0;
      for (size_t i = 0; i < heard.length; i++) {
        if (heard.text[i] == '[' || heard.text[i] == ']') continue;
        CHECK_EQ(heard.text[i], text[at++]);
      }
      CHECK_EQ(at, length);
    }
  }
  /* Exactly the maximum, then its end: one line, not an empty one more. */
  memset(text, 'a', MAX);
  text[MAX] = '\n';
  text[MAX + 1] = 'b';
  start();
  weir__lines_feed(&lines, text, MAX + 2, 0, on_line, &heard);
  CHECK_EQ(heard.lines, 1);
  weir__lines_finish(&lines, on_line, &heard);
  CHECK_EQ(heard.lines, 2);
  CHECK(strcmp(heard.text + heard.length - 3, "[b]") == 0);
}

static void feed(const char *text, uint64_t now) {
  weir__lines_feed(&lines, text, strlen(text), now, on_line, &heard);
}

static void test_rate(void) {
  start();
  for (int i = 0; i < 1000; i++)
    feed("line\n", 10000);
  CHECK_EQ(heard.lines, WEIR_CHILD_LINE_RATE);
  CHECK_EQ(heard.suppressed, 0);
  feed("late\n", 10999);
  CHECK_EQ(heard.lines, WEIR_CHILD_LINE_RATE);
  heard.length = 0;
  feed("next\nsecond\n", 11000);
  CHECK(strcmp(heard.text, "951[next][second]") == 0);

  /* The last line is handed over though the rate is used up, and counts as
   * itself, not as suppressed. */
  start();
  for (int i = 0; i < 60; i++)
    feed("line\n", 0);
  feed("why it died\n", 999);
  heard.length = 0;
  weir__lines_finish(&lines, on_line, &heard);
  CHECK(strcmp(heard.text, "10[why it died]") == 0);
  heard.length = 0;
  heard.text[0] = '\0';
  weir__lines_finish(&lines, on_line, &heard);
  CHECK(strcmp(heard.text, "") == 0);

  /* So is one that was not ended. */
  start();
  for (int i = 0; i < 60; i++)
    feed("line\n", 0);
  feed("unended", 0);
  heard.length = 0;
  weir__lines_finish(&lines, on_line, &heard);
  CHECK(strcmp(heard.text, "10[unended]") == 0);

  /* Nothing suppressed: nothing is repeated. */
  start();
  feed("once\n", 0);
  weir__lines_finish(&lines, on_line, &heard);
  CHECK(strcmp(heard.text, "[once]") == 0);
}

static void test_stop(void) {
  start();
  heard.stop_after = 2;
  feed("one\ntwo\nthree\nfour\n", 0);
  CHECK(strcmp(heard.text, "[one][two]") == 0);
}

int main(void) {
  test_ends();
  test_printable();
  test_long();
  test_rate();
  test_stop();
  return 0;
}
