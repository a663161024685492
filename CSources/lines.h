/* lines.h - bytes into printable lines at a bounded rate, for child.c. */
#ifndef WEIR_LINES_H
#define WEIR_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "weir/child.h"

#pragma GCC visibility push(hidden)

/* Zero-initialise before use. */
typedef struct weir__lines {
  uint64_t second;     /* ms, when the current second of the rate began */
  uint32_t handed;     /* lines handed over in it */
  uint32_t suppressed; /* lines not handed over since the last that was */
  size_t length;       /* bytes of the unfinished line in text */
  size_t held;         /* bytes of a finished, suppressed line in text */
  char text[WEIR_CHILD_LINE_MAX];
} weir__lines_t;

/* As weir_child_options_t.on_line. A result other than 0 ends the call that
 * it came from; the rest of its bytes is lost. */
typedef int (*weir__lines_cb)(void *context, const char *line, size_t length,
                              uint32_t suppressed);

/* Takes any bytes at `now` ms. Lines end with CR, LF or both; empty ones are
 * left out. */
void weir__lines_feed(weir__lines_t *lines, const char *bytes, size_t length,
                      uint64_t now, weir__lines_cb callback, void *context);

/* Nothing more comes: hands over what is unfinished, or else the last line if
 * it was suppressed, whatever the rate. */
void weir__lines_finish(weir__lines_t *lines, weir__lines_cb callback,
                        void *context);

#pragma GCC visibility pop

#endif
