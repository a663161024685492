/*
 * http_head_case.h - a request as readable input and what must come of it,
 * run in every way in which its bytes can arrive.
 */
#ifndef WEIR_TEST_HTTP_HEAD_CASE_H
#define WEIR_TEST_HTTP_HEAD_CASE_H

#include "test.h"

typedef struct http_head_case {
  const char *name;
  /* The verdict on `prefix`, however short it is cut, is that more is needed;
   * from the first byte of `rest` on it is `verdict`. */
  const char *prefix;
  size_t prefix_length;
  const char *rest;
  size_t rest_length;
  int verdict; /* an error, or 0 for the head's length */
  const char *events;
} http_head_case_t;

/* A string literal and its length: it may hold NUL. */
#define BYTES(literal) (literal), (sizeof(literal) - 1)

/* A head that must be accepted at its last byte, and what is found in it. */
#define ACCEPT(name, head, events) \
  { name, BYTES(head), BYTES(""), 0, events }

/* A head that must be refused: what may still be the beginning of a request,
 * and what begins with the byte at which it cannot be one any more. */
#define REFUSE(name, error, prefix, rest) \
  { name, BYTES(prefix), BYTES(rest), error, NULL }

/* The answer to these bytes alone: a copy that ends where they end, so that
 * AddressSanitizer sees a read past them. `head` points into the copy, which
 * the caller frees. */
static inline char *http_head_copy(const char *bytes, size_t length) {
  char *copy = malloc(length + 1);
  CHECK(copy != NULL);
  memcpy(copy, bytes, length);
  return realloc(copy, length == 0 ? 1 : length);
}

static inline int http_head_verdict(const char *bytes, size_t length,
                                    size_t seen) {
  weir_http_head_t head;
  char *copy = http_head_copy(bytes, length);
  int verdict = weir_http_head_parse(copy, length, seen, &head);
  free(copy);
  return verdict;
}

/* What was found, as text: the request line with what it means for framing,
 * then a line for each field. */
static inline void http_head_events(const weir_http_head_t *head, char *text,
                                    size_t capacity) {
  size_t at = 0;
#define EVENT(...)                                                      \
  do {                                                                  \
    int event_length = snprintf(text + at, capacity - at, __VA_ARGS__); \
    CHECK(event_length >= 0 && (size_t)event_length < capacity - at);   \
    at += (size_t)event_length;                                         \
  } while (0)
#define SLICE(slice) (int)(slice).length, (slice).bytes
  EVENT("%.*s %.*s 1.%" PRIu32, SLICE(head->method), SLICE(head->target),
        head->minor);
  EVENT(head->keep_alive ? " keep-alive" : " close");
  if (head->host.bytes != NULL) EVENT(" host=%.*s", SLICE(head->host));
  if (head->has_length) EVENT(" length=%" PRIu64, head->content_length);
  CHECK(head->has_length || head->content_length == 0);
  if (head->chunked) EVENT(" chunked");
  if (head->expect_continue) EVENT(" expect");
  if (head->upgrade) EVENT(" upgrade");
  EVENT("\n");
  for (uint32_t i = 0; i < head->field_count; i++) {
    EVENT("%.*s=%.*s\n", SLICE(head->fields[i].name),
          SLICE(head->fields[i].value));
  }
#undef SLICE
#undef EVENT
}

#define CHECK_CASE(name, condition)                                \
  do {                                                             \
    if (!(condition)) {                                            \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, name, \
              #condition);                                         \
      exit(1);                                                     \
    }                                                              \
  } while (0)

static inline void http_head_run(const http_head_case_t *given) {
  size_t total = given->prefix_length + given->rest_length;
  size_t decided = given->verdict == 0 ? total : given->prefix_length + 1;
  int verdict = given->verdict == 0 ? (int)total : given->verdict;
  char *bytes = malloc(total + 1);
  CHECK(bytes != NULL);
  memcpy(bytes, given->prefix, given->prefix_length);
  memcpy(bytes + given->prefix_length, given->rest, given->rest_length);

  /* Every prefix at once, grown by one byte, and in two pieces. */
  for (size_t length = 0; length <= total; length++) {
    int expected = length < decided ? 0 : verdict;
    int whole = http_head_verdict(bytes, length, 0);
    if (whole != expected) {
      fprintf(stderr, "%s: %zu bytes of %zu: %s (%d), not %s (%d)\n",
              given->name, length, total,
              whole < 0 ? weir_err_name(whole) : "ok", whole,
              expected < 0 ? weir_err_name(expected) : "ok", expected);
      exit(1);
    }
    if (length == 0 || length - 1 >= decided) continue;
    CHECK_CASE(given->name,
               http_head_verdict(bytes, length, length - 1) == expected);
  }
  size_t step = total > 2048 ? 61 : 1;
  for (size_t seen = 0; seen < decided; seen += step) {
    CHECK_CASE(given->name, http_head_verdict(bytes, total, seen) == verdict);
    for (size_t length = seen; length < decided; length += 97) {
      CHECK_CASE(given->name, http_head_verdict(bytes, length, seen) == 0);
    }
  }

  if (given->events != NULL) {
    weir_http_head_t head;
    memset(&head, 0xA5, sizeof(head));
    CHECK_EQ(weir_http_head_parse(bytes, total, 0, &head), verdict);
    size_t capacity = total * 2 + 256;
    char *text = malloc(capacity);
    CHECK(text != NULL);
    http_head_events(&head, text, capacity);
    if (strcmp(text, given->events) != 0) {
      fprintf(stderr, "%s:\n%s--- expected\n%s", given->name, text,
              given->events);
      exit(1);
    }
    free(text);
  }
  free(bytes);
}

#define RUN_CASES(cases)                                              \
  do {                                                                \
    for (size_t i = 0; i < sizeof(cases) / sizeof((cases)[0]); i++) { \
      http_head_run(&(cases)[i]);                                     \
    }                                                                 \
  } while (0)

#endif
