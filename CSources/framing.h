/*
 * framing.h - what a listener's bytes are wrapped in on their way to its sink:
 * titles between them (ICY), and chunks around both (RFC 9112 section 7.1).
 *
 * A sink takes as much as it likes, so that anything may be cut in two. What is
 * kept of it is numbers, and one reference to a title: nothing is copied.
 */
#ifndef WEIR_FRAMING_H
#define WEIR_FRAMING_H

#include <stdint.h>
#include <sys/uio.h>

#include "weir/fanout.h"

#pragma GCC visibility push(hidden)

/* The longest title block: a length byte, and that many times 16 bytes. */
#define WEIR__TITLE_MAX (1u + 255u * 16u)

/* A title as it is sent, shared by a station and those who are sent it. */
typedef struct weir__title {
  weir_allocator_t allocator;
  uint32_t references;
  uint16_t length;
  uint8_t bytes[];
} weir__title_t;

/* NULL without memory. */
weir__title_t *weir__title_make(const weir_allocator_t *allocator,
                                const char *text);

/* NULL is a no-op. */
void weir__title_release(weir__title_t *title);

/* How far a listener has come. */
typedef struct weir__framing {
  weir__title_t *told; /* the title that it was sent last */
  size_t plain;        /* bytes of the response's head to come, unwrapped */
  size_t chunk_left;   /* data of the chunk that was begun */
  uint32_t interval;   /* bytes of body between two titles; 0: none */
  uint32_t until;      /* the next title */
  uint16_t title_left; /* bytes of a title, or of the byte for "none new" */
  uint8_t chunked;
  uint8_t is_new;      /* what title_left counts is `told` */
  uint8_t header_left; /* bytes of the chunk's header */
  uint8_t header_length;
  uint8_t end_left; /* bytes that end the chunk: CRLF */
  char header[20];
} weir__framing_t;

/* What one write offers: pieces of the body and what goes around them. */
typedef struct weir__wire {
  struct iovec iov[WEIR_SINK_PIECES];
  uint8_t kind[WEIR_SINK_PIECES];
  int count;
  size_t length;
  size_t chunk; /* data of the chunk that begins here */
} weir__wire_t;

/* Wraps as much of the body's pieces as fits one write. `title` is the
 * station's, or NULL. */
void weir__framing_wrap(weir__framing_t *framing, const weir__title_t *title,
                        const struct iovec *body, int count,
                        weir__wire_t *wire);

/* The sink took so many bytes of it: how many of them were the body's. */
size_t weir__framing_taken(weir__framing_t *framing, weir__title_t *title,
                           const weir__wire_t *wire, size_t taken);

/* Whether a part was begun whose rest does not wait for the body. */
int weir__framing_is_pending(const weir__framing_t *framing);

/* What ends the body in an orderly way: bytes, none when it has no end or
 * something was begun. Static storage. */
struct iovec weir__framing_end(const weir__framing_t *framing);

#pragma GCC visibility pop

#endif
