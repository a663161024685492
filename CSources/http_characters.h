/* http_characters.h - classes of characters in HTTP/1.x messages. */
#ifndef WEIR_HTTP_CHARACTERS_H
#define WEIR_HTTP_CHARACTERS_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

enum {
  /* tchar: methods and field names (RFC 9110 section 5.6.2). */
  WEIR__HTTP_TOKEN = 1,
  /* What a request target may hold: RFC 3986 without "#", and those of
   * ^ ` { | } that browsers leave bare (WHATWG URL, section 1.3). */
  WEIR__HTTP_TARGET = 2,
  /* HTAB, SP, VCHAR, obs-text: field values (RFC 9110 section 5.5). */
  WEIR__HTTP_VALUE = 4,
  /* unreserved: the names of hosts (RFC 3986 section 2.3). */
  WEIR__HTTP_NAME = 8
};

extern const uint8_t weir__http_characters[256];

static inline int weir__http_is(char character, int class) {
  return weir__http_characters[(unsigned char)character] & class;
}

static inline int weir__http_is_digit(char character) {
  return character >= '0' && character <= '9';
}

/* The letters of US-ASCII in lower case, any other character as it is. */
static inline char weir__http_lower(char character) {
  return character >= 'A' && character <= 'Z' ? (char)(character + ('a' - 'A'))
                                              : character;
}

/* The value of a hexadecimal digit, or -1. */
static inline int weir__http_hex(char character) {
  if (weir__http_is_digit(character)) return character - '0';
  char lower = weir__http_lower(character);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

#pragma GCC visibility pop

#endif
