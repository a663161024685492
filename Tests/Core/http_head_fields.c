/* Fields are found by name in any case, the first of several. */
#include "test.h"

static int is(weir_slice_t slice, const char *text) {
  return slice.length == strlen(text) &&
         memcmp(slice.bytes, text, slice.length) == 0;
}

int main(void) {
  static const char bytes[] =
      "GET / HTTP/1.1\r\nhOsT: a\r\nX-Odd: one\r\nx-oDD: two\r\n"
      "Empty:\r\nAccept-Encoding: gzip\r\n\r\n";
  weir_http_head_t head;
  CHECK_EQ(weir_http_head_parse(bytes, sizeof(bytes) - 1, 0, &head),
           sizeof(bytes) - 1);
  CHECK_EQ(head.field_count, 5);
  CHECK(is(weir_http_head_field(&head, "HOST"), "a"));
  CHECK(is(weir_http_head_field(&head, "X-ODD"), "one"));
  CHECK(is(head.fields[2].name, "x-oDD"));
  CHECK(is(head.fields[2].value, "two"));
  CHECK(is(weir_http_head_field(&head, "accept-encoding"), "gzip"));

  weir_slice_t empty = weir_http_head_field(&head, "empty");
  CHECK(empty.bytes != NULL);
  CHECK_EQ(empty.length, 0);
  CHECK(weir_http_head_field(&head, "accept").bytes == NULL);
  CHECK(weir_http_head_field(&head, "accept-encodings").bytes == NULL);
  CHECK(weir_http_head_field(&head, "").bytes == NULL);

  /* "@" and "`" differ in the bit that tells cases apart, but are no letters.
   */
  static const char odd[] = "GET / HTTP/1.0\r\n`: x\r\n\r\n";
  CHECK_EQ(weir_http_head_parse(odd, sizeof(odd) - 1, 0, &head),
           sizeof(odd) - 1);
  CHECK(weir_http_head_field(&head, "@").bytes == NULL);
  CHECK(is(weir_http_head_field(&head, "`"), "x"));
  return 0;
}
