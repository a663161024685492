/*
 * Fuzz target: weir_http_chunked_decode.
 *
 * The first byte of the input chooses how it is cut. Whatever the rest is: in
 * pieces and at once it gives the same body, the same end and the same
 * verdict, and the body is what a plain reading of RFC 9112 section 7.1, that
 * has the whole input before it, finds.
 */
#include <stdlib.h>
#include <string.h>

#include "weir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A finding: stops here, so that the fuzzer keeps the input. */
static void require(int condition) {
  if (!condition) __builtin_trap();
}

typedef struct outcome {
  char *body;
  size_t body_length;
  size_t consumed;
  int done;
  int failed;
} outcome_t;

static outcome_t decode(const uint8_t *data, size_t size, uint64_t cut) {
  outcome_t outcome = {.body = malloc(size + 1)};
  weir_http_chunked_t decoder = {0};
  if (outcome.body == NULL) abort();
  while (outcome.consumed < size && !outcome.done) {
    size_t left = size - outcome.consumed;
    size_t length = left;
    if (cut != 0) {
      cut = cut * 6364136223846793005u + 1442695040888963407u;
      length = (size_t)(cut >> 33) % ((cut >> 61) == 0 ? 300 : 7) + 1;
      if (length > left) length = left;
    }
    size_t given = length;
    char *piece = malloc(given);
    if (piece == NULL) abort();
    memcpy(piece, data + outcome.consumed, given);
    int64_t used =
        weir_http_chunked_decode(&decoder, piece, &length, &outcome.done);
    if (used < 0) {
      require(used == WEIR_EHTTP && length == 0 && !outcome.done);
      outcome.failed = 1;
      free(piece);
      break;
    }
    require((size_t)used <= given && length <= (size_t)used);
    require(outcome.done || (size_t)used == given);
    memcpy(outcome.body + outcome.body_length, piece, length);
    outcome.body_length += length;
    outcome.consumed += (size_t)used;
    free(piece);
  }
  return outcome;
}

/* The size line at `*at`: the size, or -1. Moves past it. */
static int64_t plain_size(const uint8_t *data, size_t size, size_t *at) {
  char digits[17] = "";
  size_t count = 0;
  while (*at < size && count < 16 && data[*at] != 0 &&
         strchr("0123456789abcdefABCDEF", data[*at]) != NULL) {
    digits[count++] = (char)data[(*at)++];
  }
  if (count == 0) return -1;
  const uint8_t *end = memchr(data + *at, '\n', size - *at);
  if (end == NULL) return -1;
  *at = (size_t)(end - data) + 1;
  return (int64_t)strtoull(digits, NULL, 16);
}

/* A body that was accepted, read again with the end in sight. */
static void require_plain(const uint8_t *data, const outcome_t *outcome) {
  size_t size = outcome->consumed;
  size_t at = 0;
  size_t body = 0;
  for (;;) {
    int64_t run = plain_size(data, size, &at);
    require(run >= 0);
    if (run == 0) break;
    require((uint64_t)run <= size - at);
    require((uint64_t)run <= outcome->body_length - body);
    require(memcmp(outcome->body + body, data + at, (size_t)run) == 0);
    at += (size_t)run;
    body += (size_t)run;
    require(size - at >= 2 && memcmp(data + at, "\r\n", 2) == 0);
    at += 2;
  }
  require(body == outcome->body_length);
  require(size >= 4 && memcmp(data + size - 4, "\r\n\r\n", 4) == 0);
  require(size - at <= WEIR_HTTP_TRAILERS_MAX + 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1) return 0;
  uint64_t cut = (uint64_t)data[0] + 1;
  data++;
  size--;
  outcome_t whole = decode(data, size, 0);
  outcome_t pieces = decode(data, size, cut);
  require(whole.failed == pieces.failed);
  if (!whole.failed) {
    require(whole.done == pieces.done);
    require(whole.consumed == pieces.consumed);
    require(whole.body_length == pieces.body_length);
    require(memcmp(whole.body, pieces.body, whole.body_length) == 0);
  }
  if (whole.done) require_plain(data, &whole);
  free(whole.body);
  free(pieces.body);
  return 0;
}
