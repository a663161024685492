/* What two parties could divide into requests in two ways is refused, and
 * with the status that fits. */
#include "http_head_case.h"

/* A head that is well-formed line by line: the verdict is at its end. */
#define UNSOUND(name, error, fields) \
  REFUSE(name, error, "POST / HTTP/1.1\r\n" fields "\r", "\n")
#define UNSOUND_1_0(name, error, fields) \
  REFUSE(name, error, "POST / HTTP/1.0\r\n" fields "\r", "\n")
#define LENGTH(name, fields) UNSOUND(name, WEIR_EHTTPLENGTH, H fields)
#define CODING(name, fields) UNSOUND(name, WEIR_EHTTPCODING, H fields)
#define HOST(name, fields)   UNSOUND(name, WEIR_EHTTPHOST, fields)
#define H                    "Host: a\r\n"

static const http_head_case_t cases[] = {
    LENGTH("CL.CL", "Content-Length: 5\r\nContent-Length: 6\r\n"),
    LENGTH("the same twice", "Content-Length: 5\r\nContent-Length: 5\r\n"),
    LENGTH("in another case", "Content-Length: 5\r\ncontent-LENGTH: 5\r\n"),
    LENGTH("a list", "Content-Length: 5, 5\r\n"),
    LENGTH("a sign", "Content-Length: +5\r\n"),
    LENGTH("a minus", "Content-Length: -5\r\n"),
    LENGTH("hexadecimal", "Content-Length: 0x5\r\n"),
    LENGTH("a space inside", "Content-Length: 1 2\r\n"),
    LENGTH("a fraction", "Content-Length: 5.0\r\n"),
    LENGTH("nothing", "Content-Length:\r\n"),
    LENGTH("a tab before", "Content-Length: \t5\r\n"),
    LENGTH("a tab after", "Content-Length: 5 \t\r\n"),
    LENGTH("quoted", "Content-Length: \"5\"\r\n"),
    LENGTH("superscript", "Content-Length: \xB2\r\n"),
    LENGTH("2^63", "Content-Length: 9223372036854775808\r\n"),
    LENGTH("2^64", "Content-Length: 18446744073709551616\r\n"),
    LENGTH("2^64 + 5", "Content-Length: 18446744073709551621\r\n"),
    LENGTH("100 digits",
           "Content-Length: 99999999999999999999999999999999999999999999999999"
           "99999999999999999999999999999999999999999999999999\r\n"),

    LENGTH("CL.TE", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    LENGTH("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    LENGTH("TE.CL of 0", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
    LENGTH("TE.CL where TE is odd",
           "Transfer-Encoding: x\r\nContent-Length: 5\r\n"),
    UNSOUND_1_0("TE in HTTP/1.0", WEIR_EHTTPLENGTH,
                "Transfer-Encoding: chunked\r\n"),
    UNSOUND_1_0("TE in HTTP/1.0 with Connection", WEIR_EHTTPLENGTH,
                "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n"),

    CODING("TE.TE",
           "Transfer-Encoding: chunked\r\n"
           "Transfer-Encoding: chunked\r\n"),
    CODING("TE.TE identity",
           "Transfer-Encoding: chunked\r\n"
           "Transfer-Encoding: identity\r\n"),
    CODING("TE.TE hidden",
           "Transfer-Encoding: x\r\n"
           "transfer-encoding: chunked\r\n"),
    CODING("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n"),
    CODING("chunked, chunked", "Transfer-Encoding: chunked, chunked\r\n"),
    CODING("chunked and a comma", "Transfer-Encoding: chunked,\r\n"),
    CODING("a comma and chunked", "Transfer-Encoding: , chunked\r\n"),
    CODING("with a parameter", "Transfer-Encoding: chunked;q=1\r\n"),
    CODING("quoted", "Transfer-Encoding: \"chunked\"\r\n"),
    CODING("xchunked", "Transfer-Encoding: xchunked\r\n"),
    CODING("chunke", "Transfer-Encoding: chunke\r\n"),
    CODING("chunkedx", "Transfer-Encoding: chunkedx\r\n"),
    CODING("identity", "Transfer-Encoding: identity\r\n"),
    CODING("nothing", "Transfer-Encoding:\r\n"),
    CODING("a tab before", "Transfer-Encoding:\tchunked\r\n"),
    CODING("a tab after", "Transfer-Encoding: chunked\t \r\n"),
    CODING("with obs-text", "Transfer-Encoding: chunked\x80\r\n"),

    /* These are hidden behind syntax, and end there. */
    REFUSE("a space before the colon", WEIR_EHTTP,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding", " : chunked\r\n"),
    REFUSE("a tab in front", WEIR_EHTTP, "POST / HTTP/1.1\r\n" H,
           "\tTransfer-Encoding: chunked\r\n"),
    REFUSE("folded", WEIR_EHTTP,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n", " chunked\r\n"),
    REFUSE("after a bare LF", WEIR_EHTTP, "POST / HTTP/1.1\r\n" H "X: y",
           "\nTransfer-Encoding: chunked\r\n"),
    REFUSE("after a bare CR", WEIR_EHTTP, "POST / HTTP/1.1\r\n" H "X: y\r",
           "Transfer-Encoding: chunked\r\n"),
    REFUSE("a vertical tab", WEIR_EHTTP,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding: ", "\vchunked\r\n"),
    REFUSE("NUL after", WEIR_EHTTP,
           "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked", "\0\r\n"),
    REFUSE("NUL after a length", WEIR_EHTTP,
           "POST / HTTP/1.1\r\n" H "Content-Length: 5", "\0\r\n"),

    HOST("no Host", ""),
    HOST("Host twice", "Host: a\r\nHost: a\r\n"),
    HOST("two Hosts", "Host: a\r\nhost: b\r\n"),
    HOST("an empty Host", "Host:\r\n"),
    HOST("a list", "Host: a, b\r\n"),
    HOST("a space", "Host: a b\r\n"),
    HOST("a path", "Host: a/b\r\n"),
    HOST("a port after a slash", "Host: a/80\r\n"),
    HOST("a user", "Host: user@a\r\n"),
    HOST("a scheme", "Host: http://a\r\n"),
    HOST("a query", "Host: a?b\r\n"),
    HOST("a fragment", "Host: a#b\r\n"),
    HOST("a backslash", "Host: a\\b\r\n"),
    HOST("an escape", "Host: a%2Eb\r\n"),
    HOST("UTF-8", "Host: \xC3\xA9\r\n"),
    HOST("a port alone", "Host: :80\r\n"),
    HOST("an empty port", "Host: a:\r\n"),
    HOST("a port that is none", "Host: a:b\r\n"),
    HOST("a port with a sign", "Host: a:+80\r\n"),
    HOST("two ports", "Host: a:80:80\r\n"),
    HOST("a port above 65535", "Host: a:65536\r\n"),
    HOST("an address without brackets", "Host: ::1\r\n"),
    HOST("an open bracket", "Host: [::1\r\n"),
    HOST("an empty bracket", "Host: []\r\n"),
    HOST("a name in brackets", "Host: [localhost]\r\n"),
    HOST("an IPv4 address in brackets", "Host: [127.0.0.1]\r\n"),
    HOST("one colon in brackets", "Host: [1:2]\r\n"),
    HOST("a zone", "Host: [fe80::1%25eth0]\r\n"),
    HOST("more after the bracket", "Host: [::1]a\r\n"),
    UNSOUND_1_0("two Hosts in HTTP/1.0", WEIR_EHTTPHOST,
                "Host: a\r\nHost: b\r\n"),
    UNSOUND_1_0("an empty Host in HTTP/1.0", WEIR_EHTTPHOST, "Host: \r\n"),
    REFUSE("another host in the target", WEIR_EHTTPHOST,
           "GET http://b/ HTTP/1.1\r\n" H "\r", "\n"),
    REFUSE("another port in the target", WEIR_EHTTPHOST,
           "GET http://a:80/ HTTP/1.1\r\n" H "\r", "\n"),
    REFUSE("a host in the target alone", WEIR_EHTTPHOST,
           "GET http://a/ HTTP/1.1\r\n\r", "\n"),
};

int main(void) {
  RUN_CASES(cases);
  CHECK_EQ(weir_http_head_status(WEIR_EHTTP), 400);
  CHECK_EQ(weir_http_head_status(WEIR_EHTTPLENGTH), 400);
  CHECK_EQ(weir_http_head_status(WEIR_EHTTPHOST), 400);
  CHECK_EQ(weir_http_head_status(WEIR_EHTTPTARGET), 414);
  CHECK_EQ(weir_http_head_status(WEIR_EHTTPTOOLARGE), 431);
  CHECK_EQ(weir_http_head_status(WEIR_EHTTPCODING), 501);
  CHECK_EQ(weir_http_head_status(WEIR_EHTTPVERSION), 505);
  return 0;
}
