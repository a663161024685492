/*
 * icy.c - fuzzes weir_icy_decode().
 *
 * The first two bytes are the interval, the third chooses how the rest is cut.
 * Whatever it is: in pieces and at once it gives the same bytes and the same
 * text, and the bytes are those that a plain reading finds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "weir/icy.h"

#define REQUIRE(condition) \
  do {                     \
    if (!(condition)) {    \
      __builtin_trap();    \
    }                      \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Into `to`; how many bytes. */
static size_t decode(weir_icy_t *icy, const uint8_t *data, size_t size,
                     uint64_t cut, uint8_t *to) {
  size_t out = 0;
  for (size_t at = 0; at < size;) {
    size_t run = size - at;
    if (cut != 0) {
      cut = cut * 6364136223846793005u + 1442695040888963407u;
      size_t most = (size_t)(cut >> 33) % 40 + 1;
      if (run > most) run = most;
    }
    uint8_t *piece = malloc(run);
    if (piece == NULL) abort();
    memcpy(piece, data + at, run);
    size_t count = weir_icy_decode(icy, piece, run);
    REQUIRE(count <= run);
    memcpy(to + out, piece, count);
    out += count;
    at += run;
    free(piece);
  }
  return out;
}

static size_t plain(const uint8_t *data, size_t size, size_t interval,
                    uint8_t *to) {
  size_t out = 0;
  for (size_t at = 0; at < size;) {
    size_t run = size - at < interval ? size - at : interval;
    memcpy(to + out, data + at, run);
    out += run;
    at += run;
    if (at < size) at += 1 + (size_t)data[at] * 16;
  }
  return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 3) return 0;
  uint32_t interval = (uint32_t)data[0] << 8 | data[1];
  uint64_t cut = (uint64_t)data[2] + 1;
  weir_icy_t whole;
  weir_icy_t pieces;
  if (weir_icy_init(&whole, interval) < 0) {
    REQUIRE(interval == 0);
    return 0;
  }
  REQUIRE(weir_icy_init(&pieces, interval) == 0);
  data += 3;
  size -= 3;
  uint8_t *a = malloc(size + 1);
  uint8_t *b = malloc(size + 1);
  uint8_t *c = malloc(size + 1);
  if (a == NULL || b == NULL || c == NULL) abort();
  size_t count = decode(&whole, data, size, 0, a);
  REQUIRE(decode(&pieces, data, size, cut, b) == count);
  REQUIRE(plain(data, size, interval, c) == count);
  REQUIRE(memcmp(a, b, count) == 0 && memcmp(a, c, count) == 0);
  REQUIRE(whole.text_length == pieces.text_length);
  REQUIRE(whole.text_length <= WEIR_ICY_TEXT_MAX);
  REQUIRE(memcmp(whole.text, pieces.text, whole.text_length) == 0);
  free(a);
  free(b);
  free(c);
  return 0;
}
