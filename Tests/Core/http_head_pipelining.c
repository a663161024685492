/* A head ends at its empty line: what follows is not looked at, and its
 * length is where the next request begins. */
#include "test.h"

static const char first[] =
    "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
    "\r\n";
static const char body[] = "\x16\x03\0\n\r";
static const char second[] = "GET /b HTTP/1.1\r\nHost: b\r\n\r\n";
static const char third[] = "\r\nGET /c HTTP/1.0\r\n\r\n";
static const char garbage[] = "\0\0\0";

static int parse(const char *bytes, size_t length, weir_http_head_t *head) {
  return weir_http_head_parse(bytes, length, 0, head);
}

int main(void) {
  char bytes[512];
  size_t total = 0;
#define APPEND(text)                               \
  do {                                             \
    memcpy(bytes + total, text, sizeof(text) - 1); \
    total += sizeof(text) - 1;                     \
  } while (0)
  APPEND(first);
  APPEND(body);
  APPEND(second);
  APPEND(third);
  APPEND(garbage);

  weir_http_head_t head;
  size_t at = 0;
  CHECK_EQ(parse(bytes, total, &head), sizeof(first) - 1);
  CHECK_EQ(head.content_length, 5);
  CHECK(memcmp(head.target.bytes, "/a", head.target.length) == 0);

  at = sizeof(first) - 1 + (size_t)head.content_length;
  CHECK_EQ(parse(bytes + at, total - at, &head), sizeof(second) - 1);
  CHECK_EQ(head.has_length, 0);
  CHECK_EQ(head.content_length, 0);
  CHECK(memcmp(head.target.bytes, "/b", head.target.length) == 0);

  at += sizeof(second) - 1;
  CHECK_EQ(parse(bytes + at, total - at, &head), sizeof(third) - 1);
  CHECK(memcmp(head.target.bytes, "/c", head.target.length) == 0);
  CHECK(head.host.bytes == NULL);
  CHECK_EQ(head.host.length, 0);

  at += sizeof(third) - 1;
  CHECK_EQ(parse(bytes + at, total - at, &head), WEIR_EHTTP);
  return 0;
}
