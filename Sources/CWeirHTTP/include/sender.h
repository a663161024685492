/*
 * sender.h - a range of a byte source on its way to a socket, without Swift for
 * each piece.
 *
 * It has a watcher of its own on the socket: nothing else may watch the same
 * descriptor meanwhile. All of it on the loop's thread.
 */
#ifndef WEIR_SENDER_H
#define WEIR_SENDER_H

#include <weir/fanout.h>

#include "byte_source.h"

#pragma GCC visibility push(hidden)

/* Bytes that a sender moves before others have their turn. */
#define WEIR_SENDER_SHARE 524288u
/* Milliseconds' worth of bytes that a rate lets through at once, and between
 * two looks at it. */
#define WEIR_SENDER_BURST 100u

typedef struct weir_sender weir_sender_t;

typedef enum weir_sender_wait {
  WEIR_SENDER_PEER = 0, /* the socket's buffer is full, or it is our turn */
  WEIR_SENDER_SOURCE,   /* the bytes are not there yet */
  WEIR_SENDER_RATE      /* it has sent as many as it may */
} weir_sender_wait_t;

typedef struct weir_sender_options {
  int fd; /* non-blocking; stays the caller's */
  /* As of a fan-out's listener; NULL for the socket itself. Not closed. */
  const weir_sink_t *sink;
  void *sink_context;
  weir_byte_source_t *source; /* stays the caller's, until the release */
  uint64_t from;
  uint64_t to;   /* UINT64_MAX: as far as there are bytes */
  uint64_t rate; /* bytes a second; 0: as fast as the peer takes them */
  int chunked;   /* in chunks (RFC 9112 §7.1), without the last one */
  /* Called once, from the loop: 0 when all bytes have been taken by the socket;
   * UV_EOF when the source ended before `to`, another of its errors, or the
   * socket's. It may release the sender. */
  void (*done)(void *data, int status);
  void *data;
} weir_sender_options_t;

/* Begins at the loop's next turn. 0, or a libuv error. */
int weir_sender_start(weir_sender_t **sender, uv_loop_t *loop,
                      const weir_sender_options_t *options);

/* Ends it, without `done`. The descriptor may be watched by others, or closed,
 * at once. NULL is a no-op. */
void weir_sender_release(weir_sender_t *sender);

/* Bytes of the source that the socket has taken. */
uint64_t weir_sender_sent(const weir_sender_t *sender);

/* Whether `status` is the source's, and not the socket's. */
int weir_sender_blames_source(const weir_sender_t *sender);

/* Bytes moved in all, and what is waited for now. */
uint64_t weir_sender_moved(const weir_sender_t *sender);
weir_sender_wait_t weir_sender_waits_for(const weir_sender_t *sender);

#pragma GCC visibility pop

#endif
