/*
 * http_chunked.c - the chunked transfer coding, decoded in place.
 *
 *   chunk    = size [extension] CRLF data CRLF
 *   body     = *chunk "0" [extension] CRLF *trailer CRLF
 *
 * As strict as the parser of heads: CR and LF end a line, nothing else does.
 * An extension that swallowed a bare LF is what a front end and a back end
 * have disagreed about.
 */
#include <string.h>

#include "http_characters.h"
#include "weir/errors.h"
#include "weir/http_head.h"

/* Leading zeros are legal, but not without end. */
#define SIZE_DIGITS_MAX 16u

/* What the next byte is; a decoder of zeros is at its beginning. */
enum {
  SIZE = 0,
  SIZE_SPACE, /* white space before an extension's ";" */
  EXTENSION,
  SIZE_LF,
  DATA,
  DATA_CR,
  DATA_LF,
  TRAILER,
  TRAILER_NAME,
  TRAILER_VALUE,
  TRAILER_LF,
  END_LF,
  DONE,
  FAILED
};

/* Each of these takes one character and answers with the next state. */

static int after_size_line(const weir_http_chunked_t *decoder) {
  return decoder->remaining > 0 ? DATA : TRAILER;
}

static int take_size(weir_http_chunked_t *decoder, char character) {
  int digit = weir__http_hex(character);
  if (digit >= 0) {
    if (decoder->counted == SIZE_DIGITS_MAX) return FAILED;
    if (decoder->remaining > (uint64_t)INT64_MAX >> 4) return FAILED;
    decoder->remaining = decoder->remaining << 4 | (uint64_t)digit;
    decoder->counted++;
    return SIZE;
  }
  if (decoder->counted == 0) return FAILED;
  decoder->counted = 1;
  switch (character) {
    case '\r':
      return SIZE_LF;
    case ';':
      return EXTENSION;
    case ' ':
    case '\t':
      return SIZE_SPACE;
    default:
      return FAILED;
  }
}

static int take_extension(weir_http_chunked_t *decoder, char character) {
  if (decoder->state == EXTENSION && character == '\r') return SIZE_LF;
  if (decoder->counted++ == WEIR_HTTP_EXTENSION_MAX) return FAILED;
  if (decoder->state == EXTENSION) {
    return weir__http_is(character, WEIR__HTTP_VALUE) ? EXTENSION : FAILED;
  }
  if (character == ';') return EXTENSION;
  return character == ' ' || character == '\t' ? SIZE_SPACE : FAILED;
}

static int take_trailer(weir_http_chunked_t *decoder, char character) {
  if (decoder->state == TRAILER && character == '\r') return END_LF;
  if (decoder->counted++ == WEIR_HTTP_TRAILERS_MAX) return FAILED;
  switch (decoder->state) {
    case TRAILER:
      return weir__http_is(character, WEIR__HTTP_TOKEN) ? TRAILER_NAME : FAILED;
    case TRAILER_NAME:
      if (character == ':') return TRAILER_VALUE;
      return weir__http_is(character, WEIR__HTTP_TOKEN) ? TRAILER_NAME : FAILED;
    case TRAILER_VALUE:
      if (character == '\r') return TRAILER_LF;
      return weir__http_is(character, WEIR__HTTP_VALUE) ? TRAILER_VALUE
                                                        : FAILED;
    default:
      return character == '\n' ? TRAILER : FAILED;
  }
}

static int take(weir_http_chunked_t *decoder, char character) {
  switch (decoder->state) {
    case SIZE:
      return take_size(decoder, character);
    case SIZE_SPACE:
    case EXTENSION:
      return take_extension(decoder, character);
    case SIZE_LF:
      decoder->counted = 0;
      return character == '\n' ? after_size_line(decoder) : FAILED;
    case DATA_CR:
      return character == '\r' ? DATA_LF : FAILED;
    case DATA_LF:
      return character == '\n' ? SIZE : FAILED;
    case END_LF:
      return character == '\n' ? DONE : FAILED;
    default:
      return take_trailer(decoder, character);
  }
}

int64_t weir_http_chunked_decode(weir_http_chunked_t *decoder, char *bytes,
                                 size_t *length, int *done) {
  size_t at = 0;
  size_t body = 0;
  while (at < *length && decoder->state < DONE) {
    if (decoder->state != DATA) {
      decoder->state = (uint8_t)take(decoder, bytes[at++]);
      continue;
    }
    size_t left = *length - at;
    size_t run = decoder->remaining < left ? (size_t)decoder->remaining : left;
    if (body != at) memmove(bytes + body, bytes + at, run);
    at += run;
    body += run;
    decoder->remaining -= run;
    if (decoder->remaining == 0) decoder->state = DATA_CR;
  }
  *done = decoder->state == DONE;
  *length = decoder->state == FAILED ? 0 : body;
  return decoder->state == FAILED ? WEIR_EHTTP : (int64_t)at;
}
