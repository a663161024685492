/* Each limit holds to the byte: what fills it is accepted, one more is
 * refused when it arrives; and so it is where the head came in pieces. */
#include "http_head_case.h"

/* before, `count` times `fill`, after. */
static char *filled(const char *before, size_t count, const char *fill,
                    const char *after) {
  size_t unit = strlen(fill);
  size_t start = strlen(before);
  char *text = malloc(start + count * unit + strlen(after) + 1);
  CHECK(text != NULL);
  memcpy(text, before, start);
  for (size_t i = 0; i < count; i++) {
    memcpy(text + start + i * unit, fill, unit);
  }
  strcpy(text + start + count * unit, after);
  return text;
}

static void accepts(const char *name, char *head) {
  http_head_run(&(http_head_case_t){name, head, strlen(head), "", 0, 0, NULL});
  free(head);
}

/* Refused at the byte after the first `good`. */
static void refuses(const char *name, int error, char *head, size_t good) {
  CHECK(strlen(head) > good);
  http_head_run(&(http_head_case_t){name, head, good, head + good,
                                    strlen(head) - good, error, NULL});
  free(head);
}

#define END "\r\n\r\n"

static void test_method(void) {
  accepts("a method of 32", filled("", 32, "M", " / HTTP/1.0" END));
  refuses("a method of 33", WEIR_EHTTP, filled("", 33, "M", " / HTTP/1.0" END),
          32);
  refuses("no method at all", WEIR_EHTTP, filled("", 16384, "M", ""), 32);
}

static void test_target(void) {
  accepts("a target of 8192", filled("GET /", 8191, "a", " HTTP/1.0" END));
  accepts("a target of 8192 after an empty line",
          filled("\r\nGET /", 8191, "a", " HTTP/1.0" END));
  refuses("a target of 8193", WEIR_EHTTPTARGET,
          filled("GET /", 8192, "a", " HTTP/1.0" END), 4 + 8192);
  refuses("a target without end", WEIR_EHTTPTARGET,
          filled("GET /", 16384, "a", ""), 4 + 8192);
  refuses("a control in a long target", WEIR_EHTTP,
          filled("GET /", 4000, "a", "\x7F HTTP/1.0" END), 4005);
  refuses("a wrong version after a long target", WEIR_EHTTPVERSION,
          filled("GET /", 4000, "a", " HTTP/2.0" END), 4005 + 6);
  refuses("a bare CR after a long target", WEIR_EHTTP,
          filled("GET /", 4000, "a", " HTTP/1.0\r\r\n"), 4005 + 10);
  refuses("a bare LF after a long target", WEIR_EHTTP,
          filled("GET /", 4000, "a", " HTTP/1.0\n\n"), 4005 + 9);
}

static void test_name(void) {
  accepts("a name of 256", filled("GET / HTTP/1.0\r\n", 256, "n", ":" END));
  refuses("a name of 257", WEIR_EHTTPTOOLARGE,
          filled("GET / HTTP/1.0\r\n", 257, "n", ":" END), 16 + 256);
  /* Far enough in that the place must be found again. */
  char *before = filled("GET / HTTP/1.0\r\nA: ", 1000, "v", "\r\n");
  accepts("a name of 256 later", filled(before, 256, "n", ": x" END));
  refuses("a name of 257 later", WEIR_EHTTPTOOLARGE,
          filled(before, 257, "n", ": x" END), strlen(before) + 256);
  refuses("a space at the end of a long name", WEIR_EHTTP,
          filled(before, 256, "n", " : x" END), strlen(before) + 256);
  refuses("a folded line later", WEIR_EHTTP,
          filled(before, 1, " ", "folded" END), strlen(before));
  free(before);
}

static void test_value(void) {
  accepts("a long value",
          filled("GET / HTTP/1.0\r\nA:", 9000, "v", "\r\nB: x" END));
  accepts("a long value of spaces",
          filled("GET / HTTP/1.0\r\nA:", 9000, " ", "\r\nB: x" END));
  refuses("a control at the end of a long value", WEIR_EHTTP,
          filled("GET / HTTP/1.0\r\nA:", 2000, "v", "\x01" END), 18 + 2000);
  refuses("a bare CR in a long value", WEIR_EHTTP,
          filled("GET / HTTP/1.0\r\nA:", 2000, "v", "\rv" END), 18 + 2001);
  refuses("a bare LF in a long value", WEIR_EHTTP,
          filled("GET / HTTP/1.0\r\nA:", 2000, "v", "\nv" END), 18 + 2000);
}

static void test_host(void) {
  accepts("a host of 255", filled("GET / HTTP/1.0\r\nHost:", 255, "h", END));
  char *long_host = filled("GET / HTTP/1.0\r\nHost:", 256, "h", END);
  refuses("a host of 256", WEIR_EHTTPHOST, long_host, strlen(long_host) - 1);
  accepts("a long absolute-form",
          filled("GET http://a/", 4000, "a", " HTTP/1.0" END));
  refuses("a user in a long absolute-form", WEIR_EHTTPHOST,
          filled("GET http://u@a/", 4000, "a", " HTTP/1.0\r\nA: b" END),
          15 + 4000 + 9 + 1);
}

static void test_fields(void) {
  accepts("100 fields", filled("GET / HTTP/1.0\r\n", 100, "a:\r\n", "\r\n"));
  accepts("100 long fields",
          filled("GET / HTTP/1.0\r\n", 100,
                 "field: sixty bytes of value, with a comma and some words"
                 "....................................................\r\n",
                 "\r\n"));
  /* The number of fields is known at the end. */
  char *many = filled("GET / HTTP/1.0\r\n", 101, "a:\r\n", "\r\n");
  refuses("101 fields", WEIR_EHTTPTOOLARGE, many, strlen(many) - 1);
  refuses("fields without end", WEIR_EHTTPTOOLARGE,
          filled("GET / HTTP/1.0\r\n", 5000, "a:\r\n", ""),
          WEIR_HTTP_HEAD_MAX - 1);
  refuses("101 fields, then no field", WEIR_EHTTP,
          filled("GET / HTTP/1.0\r\n", 101, "a:\r\n", ";"), 16 + 404);
}

static void test_head(void) {
  const size_t rest = WEIR_HTTP_HEAD_MAX - 18 - 4;
  accepts("a head of 16384", filled("GET / HTTP/1.0\r\nA:", rest, "v", END));
  refuses("a head of 16385", WEIR_EHTTPTOOLARGE,
          filled("GET / HTTP/1.0\r\nA:", rest + 1, "v", END),
          WEIR_HTTP_HEAD_MAX - 1);
  refuses("a head of 16385, the empty line before it counted",
          WEIR_EHTTPTOOLARGE,
          filled("\r\nGET / HTTP/1.0\r\nA:", rest - 1, "v", END),
          WEIR_HTTP_HEAD_MAX - 1);
  refuses("a value without end", WEIR_EHTTPTOOLARGE,
          filled("GET / HTTP/1.0\r\nA:", 20000, "v", ""),
          WEIR_HTTP_HEAD_MAX - 1);
}

int main(void) {
  test_method();
  test_target();
  test_name();
  test_value();
  test_host();
  test_fields();
  test_head();
  return 0;
}
