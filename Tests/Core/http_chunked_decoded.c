/* A chunked body is decoded in place, at every split of its bytes, and what
 * follows it is left alone. */
#include "http_chunked_case.h"

static const http_chunked_case_t cases[] = {
    DECODE("an empty body", "0\r\n\r\n", "", ""),
    DECODE("one chunk", "5\r\nhello\r\n0\r\n\r\n", "", "hello"),
    DECODE("two chunks and the next request",
           "6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n", "GET / HTTP/1.1\r\n",
           "hello world"),
    DECODE("data that looks like framing",
           "d\r\n0\r\n\r\n0\r\n\r\n\r\n\0\r\n0\r\n\r\n", "\r\n0\r\n\r\n",
           "0\r\n\r\n0\r\n\r\n\r\n\0"),
    DECODE("sizes in both cases and with zeros",
           "00a\r\n0123456789\r\n0000000000000001\r\nx\r\n"
           "A\r\n0123456789\r\n000\r\n\r\n",
           "", "0123456789x0123456789"),
    DECODE("extensions",
           "1;a\r\nx\r\n1;a=b;c=\"d;\t\x80 e\"\r\ny\r\n1;\r\nz\r\n"
           "0;last\r\n\r\n",
           "", "xyz"),
    DECODE("white space before and inside an extension",
           "1 \t;\ta = b \r\nx\r\n0\t;\r\n\r\n", "", "x"),
    DECODE("trailers",
           "1\r\nx\r\n0\r\nA: b\r\nContent-Length: 5\r\nEmpty:\r\n\r\n", "more",
           "x"),
    MORE("nothing", "", ""),
    MORE("a size alone", "5", ""),
    MORE("the largest chunk", "7fffffffffffffff\r\nx", "x"),
    MORE("a chunk cut short", "5\r\nhel", "hel"),
    MORE("no last chunk", "5\r\nhello\r\n", "hello"),
    MORE("no end of the trailers", "5\r\nhello\r\n0\r\nA: b\r\n", "hello"),
    MORE("half an end", "0\r\n\r", ""),
};

/* A large body in chunks of random sizes, decoded in pieces of random sizes
 * from one buffer, is what it was. */
static void test_large(void) {
  enum { TOTAL = 1 << 20 };
  uint64_t seed = 42;
  char *body = malloc(TOTAL);
  char *coded = malloc(2 * TOTAL + 1024);
  CHECK(body != NULL && coded != NULL);
  for (size_t i = 0; i < TOTAL; i++) {
    body[i] = (char)test_random(&seed);
  }
  size_t length = 0;
  for (size_t at = 0; at < TOTAL;) {
    size_t run = test_random(&seed) % 20000 + 1;
    if (run > TOTAL - at) run = TOTAL - at;
    length += (size_t)sprintf(coded + length, "%zx\r\n", run);
    memcpy(coded + length, body + at, run);
    length += run;
    memcpy(coded + length, "\r\n", 2);
    length += 2;
    at += run;
  }
  memcpy(coded + length, "0\r\n\r\n", 5);
  length += 5;

  weir_http_chunked_t decoder = {0};
  size_t decoded = 0;
  int done = 0;
  for (size_t at = 0; at < length;) {
    CHECK_EQ(done, 0);
    size_t piece = test_random(&seed) % 30000 + 1;
    if (piece > length - at) piece = length - at;
    size_t got = piece;
    CHECK_EQ(weir_http_chunked_decode(&decoder, coded + at, &got, &done),
             piece);
    CHECK(got <= TOTAL - decoded);
    CHECK(memcmp(coded + at, body + decoded, got) == 0);
    decoded += got;
    at += piece;
  }
  CHECK_EQ(done, 1);
  CHECK_EQ(decoded, TOTAL);
  free(coded);
  free(body);
}

int main(void) {
  RUN_CASES(cases);
  test_large();
  return 0;
}
