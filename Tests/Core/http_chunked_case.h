/*
 * http_chunked_case.h - a chunked body as readable input and what must come
 * of it, run in every way in which its bytes can arrive.
 */
#ifndef WEIR_TEST_HTTP_CHUNKED_CASE_H
#define WEIR_TEST_HTTP_CHUNKED_CASE_H

#include "test.h"

typedef struct http_chunked_case {
  const char *name;
  const char *input;
  size_t input_length;
  /* How many bytes of the input are the body's: all up to its end, or up to
   * the first byte that cannot stand where it stands. */
  size_t consumed;
  int outcome; /* 1 done, 0 more is needed, WEIR_EHTTP */
  const char *body;
  size_t body_length;
} http_chunked_case_t;

#define BYTES(literal) (literal), (sizeof(literal) - 1)

/* A whole body, followed by other bytes. */
#define DECODE(name, input, rest, body) \
  { name, BYTES(input rest), sizeof(input) - 1, 1, BYTES(body) }
/* Not yet a whole one. */
#define MORE(name, input, body) \
  { name, BYTES(input), sizeof(input) - 1, 0, BYTES(body) }
/* Malformed from the first byte of `rest` on. */
#define REFUSE(name, input, rest) \
  { name, BYTES(input rest), sizeof(input) - 1, WEIR_EHTTP, BYTES("") }

#define CHECK_CASE(name, condition)                                \
  do {                                                             \
    if (!(condition)) {                                            \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, name, \
              #condition);                                         \
      exit(1);                                                     \
    }                                                              \
  } while (0)

/* Decodes in the pieces that end at `first`, then at every `step` bytes. */
static inline void http_chunked_run_split(const http_chunked_case_t *given,
                                          size_t first, size_t step) {
  weir_http_chunked_t decoder = {0};
  char *body = malloc(given->input_length + 1);
  CHECK(body != NULL);
  size_t body_length = 0;
  size_t at = 0;
  size_t end = first;
  int done = 0;
  while (at < given->input_length && !done) {
    if (end > given->input_length) end = given->input_length;
    size_t length = end - at;
    char *piece = malloc(length == 0 ? 1 : length);
    CHECK(piece != NULL);
    memcpy(piece, given->input + at, length);
    int64_t used = weir_http_chunked_decode(&decoder, piece, &length, &done);
    if (used < 0) {
      CHECK_CASE(given->name, used == WEIR_EHTTP);
      CHECK_CASE(given->name, given->outcome == WEIR_EHTTP);
      CHECK_CASE(given->name, !done && length == 0);
      /* The first impossible byte is in this piece, and it stays so. */
      CHECK_CASE(given->name, at <= given->consumed && given->consumed < end);
      length = end - at;
      memcpy(piece, given->input + at, length);
      used = weir_http_chunked_decode(&decoder, piece, &length, &done);
      CHECK_CASE(given->name, used == WEIR_EHTTP && length == 0 && !done);
      free(piece);
      free(body);
      return;
    }
    CHECK_CASE(given->name, length <= (size_t)used);
    memcpy(body + body_length, piece, length);
    body_length += length;
    free(piece);
    at += (size_t)used;
    CHECK_CASE(given->name, done || at == end);
    if (at == end) end += step;
  }
  CHECK_CASE(given->name, done == given->outcome);
  CHECK_CASE(given->name, at == given->consumed);
  CHECK_CASE(given->name, body_length == given->body_length);
  CHECK_CASE(given->name, memcmp(body, given->body, body_length) == 0);
  if (done) {
    char next[] = "5\r\n";
    size_t length = sizeof(next) - 1;
    CHECK_EQ(weir_http_chunked_decode(&decoder, next, &length, &done), 0);
    CHECK_CASE(given->name, done == 1 && length == 0);
  }
  free(body);
}

static inline void http_chunked_run(const http_chunked_case_t *given) {
  size_t total = given->input_length;
  for (size_t first = 0; first <= total; first++) {
    http_chunked_run_split(given, first, total);
    if (total > 512) continue;
    for (size_t step = 1; step < total - first; step++) {
      http_chunked_run_split(given, first, step);
    }
  }
  for (size_t step = 1; step < 9; step++) {
    http_chunked_run_split(given, step, step);
  }
}

#define RUN_CASES(cases)                                              \
  do {                                                                \
    for (size_t i = 0; i < sizeof(cases) / sizeof((cases)[0]); i++) { \
      http_chunked_run(&(cases)[i]);                                  \
    }                                                                 \
  } while (0)

#endif
