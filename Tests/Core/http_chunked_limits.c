/* Extensions and trailers are bounded to the byte. */
#include "http_chunked_case.h"

static char text[3 * WEIR_HTTP_TRAILERS_MAX];

/* before, `count` bytes of "x", after: decoded to an empty body and consumed
 * whole, or refused when `consumed` bytes have been. */
static void run(const char *name, const char *before, size_t count,
                const char *after, int outcome, size_t consumed) {
  size_t start = strlen(before);
  strcpy(text, before);
  memset(text + start, 'x', count);
  strcpy(text + start + count, after);
  size_t length = start + count + strlen(after);
  if (outcome == 1) consumed = length;
  http_chunked_run(
      &(http_chunked_case_t){name, text, length, consumed, outcome, "", 0});
}

int main(void) {
  const size_t extension = WEIR_HTTP_EXTENSION_MAX;
  run("an extension of 256", "0;", extension - 1, "\r\n\r\n", 1, 0);
  run("an extension of 257", "0;", extension, "\r\n\r\n", WEIR_EHTTP,
      1 + extension);
  run("white space counts", "0  ;", extension - 3, "\r\n\r\n", 1, 0);
  run("white space counts too", "0   ;", extension - 3, "\r\n\r\n", WEIR_EHTTP,
      1 + extension);

  /* The lines' ends are counted, the empty line is not. */
  const size_t trailers = WEIR_HTTP_TRAILERS_MAX;
  run("trailers of 8192", "0\r\nA:", trailers - 4, "\r\n\r\n", 1, 0);
  run("trailers of 8193", "0\r\nA:", trailers - 3, "\r\n\r\n", WEIR_EHTTP,
      3 + trailers);
  run("a name without end", "0\r\n", trailers + 9, "", WEIR_EHTTP,
      3 + trailers);
  run("many trailers", "0\r\nA:\r\nB:\r\n:", 0, "", WEIR_EHTTP, 3 + 8);

  /* 10,000 chunks with full extensions pass: the bound is a chunk's. */
  weir_http_chunked_t decoder = {0};
  for (int i = 0; i < 10000; i++) {
    int done;
    size_t length =
        (size_t)snprintf(text, sizeof(text), "1;%0255d\r\nx\r\n", 0);
    size_t whole = length;
    CHECK_EQ(weir_http_chunked_decode(&decoder, text, &length, &done), whole);
    CHECK_EQ(length, 1);
    CHECK_EQ(done, 0);
    CHECK(text[0] == 'x');
  }
  return 0;
}
