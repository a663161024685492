/* What is not exactly the chunked coding is refused at its first impossible
 * byte, at every split, and no byte of it is given out with the refusal. */
#include "http_chunked_case.h"

static const http_chunked_case_t cases[] = {
    REFUSE("no size", "", "\r\nhello\r\n"),
    REFUSE("no digit", "", "x\r\n"),
    REFUSE("an extension without a size", "", ";a\r\n"),
    REFUSE("a sign", "", "+5\r\nhello\r\n"),
    REFUSE("a minus", "", "-1\r\n"),
    REFUSE("0x", "0", "x5\r\nhello\r\n"),
    REFUSE("a space before", "", " 5\r\nhello\r\n"),
    REFUSE("a space after", "5 ", "\r\nhello\r\n"),
    REFUSE("a space inside", "1 ", "0\r\n"),
    REFUSE("an underscore", "1", "_0\r\n"),
    REFUSE("a bare LF after the size", "5", "\nhello\r\n"),
    REFUSE("a bare CR after the size", "5\r", "hello\r\n"),
    REFUSE("CR CR LF", "5\r", "\r\nhello\r\n"),
    REFUSE("NUL after the size", "5", "\0\r\nhello\r\n"),
    REFUSE("a bare LF in an extension", "5;a", "\nhello\r\n0\r\n\r\n"),
    REFUSE("a bare CR in an extension", "5;a\r", "b\r\nhello\r\n"),
    REFUSE("NUL in an extension", "5;a", "\0\r\n"),
    REFUSE("DEL in an extension", "5;a", "\x7F\r\n"),
    REFUSE("a size above INT64_MAX", "800000000000000", "0\r\n"),
    REFUSE("a size of 2^64", "1000000000000000", "0\r\n"),
    REFUSE("a size of 2^64 + 5", "1000000000000000", "5\r\nhello"),
    REFUSE("17 digits", "0000000000000000", "5\r\nhello\r\n"),
    REFUSE("data longer than its size", "5\r\nhello", "!\r\n0\r\n\r\n"),
    REFUSE("a bare LF after data", "5\r\nhello", "\n0\r\n\r\n"),
    REFUSE("a bare CR after data", "5\r\nhello\r", "0\r\n\r\n"),
    REFUSE("data shorter than its size", "5\r\nhell\r", "\n0\r\n\r\n"),
    REFUSE("an empty line after data", "1\r\nx\r\n", "\r\n0\r\n\r\n"),
    REFUSE("a bare LF after the last chunk", "0", "\n\r\n"),
    REFUSE("a bare LF ends the trailers", "0\r\n", "\n"),
    REFUSE("a bare CR ends the trailers", "0\r\n\r", "GET / HTTP/1.1\r\n"),
    REFUSE("a request without an end of trailers", "0\r\nGET",
           " / HTTP/1.1\r\n\r\n"),
    REFUSE("a trailer without a name", "0\r\n", ": x\r\n\r\n"),
    REFUSE("a trailer without a colon", "0\r\nA", "\r\n\r\n"),
    REFUSE("a space before the colon", "0\r\nA", " : x\r\n\r\n"),
    REFUSE("a folded trailer", "0\r\nA: x\r\n", " y\r\n\r\n"),
    REFUSE("a bare LF in a trailer", "0\r\nA: x", "\n\r\n"),
    REFUSE("a bare CR in a trailer", "0\r\nA: x\r", "y\r\n\r\n"),
    REFUSE("NUL in a trailer", "0\r\nA: x", "\0\r\n\r\n"),
};

int main(void) {
  RUN_CASES(cases);
  return 0;
}
