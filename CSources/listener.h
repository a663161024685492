/*
 * listener.h - one listener of a fan-out: a cursor, a socket, and the rest of
 * a unit that the socket cut in two.
 */
#ifndef WEIR_LISTENER_H
#define WEIR_LISTENER_H

#include <stdint.h>
#include <uv.h>

#include "phase.h"
#include "weir/fanout.h"

#define WEIR__LISTENER_JOINING UINT32_MAX /* slot: not in a phase yet */

typedef struct weir__listener {
  weir__link_t link; /* first: a link is its listener */
  weir_fanout_t *fanout;
  uv_poll_t poll;
  const weir_sink_t *sink;
  void *sink_context;
  void *data;
  uint64_t id;
  uint64_t position; /* next whole unit of the log */
  uint64_t since;
  uint64_t progress; /* when it last took a byte, or had caught up */
  uint64_t behind;   /* since when it is skipped or waited for; 0: not */
  uint64_t reported; /* when its last skip was reported; 0: never */
  uint64_t sent;     /* bytes of the log that were accepted */
  uint64_t skipped;  /* bytes */
  uint64_t skips;    /* times */
  uint64_t told;     /* skips that were reported */
  uint8_t *preamble; /* NULL once it is sent */
  uint32_t slot;     /* or WEIR__LISTENER_JOINING */
  int fd;
  uint16_t preamble_length;
  uint16_t preamble_sent;
  uint16_t rest_length; /* bytes in rest that are still to be sent */
  uint8_t transform;
  uint8_t blocked; /* waits for the socket to become writable */
  uint8_t watched; /* events that its handle polls for */
  uint8_t ended;
  char label[WEIR_FANOUT_LABEL_MAX + 1];
  uint8_t rest[]; /* one unit; the pending bytes stand at its end */
} weir__listener_t;

/* What one flush came to. */
typedef enum weir__flush {
  WEIR__FLUSH_IDLE,    /* nothing was pending */
  WEIR__FLUSH_DONE,    /* everything was accepted */
  WEIR__FLUSH_PENDING, /* the socket took part, or nothing */
  WEIR__FLUSH_ENDED    /* the listener is gone */
} weir__flush_t;

/* Applies the policies and, unless it is blocked, sends what is pending. */
weir__flush_t weir__listener_flush(weir__listener_t *listener, uint64_t now);

/* Ends it: takes it out of its slot, closes its socket, counts and reports.
 * With `clean`, the peer sees an orderly end. */
void weir__listener_end(weir__listener_t *listener, weir_end_reason_t reason,
                        int error);

/* Frees one whose socket was never watched; the socket stays the caller's. */
void weir__listener_discard(weir__listener_t *listener);

/* Stops watching and frees; the socket stays the caller's, nobody is told. */
void weir__listener_abandon(weir__listener_t *listener);

/* Its description for callbacks. */
weir_listener_info_t weir__listener_info(const weir__listener_t *listener);

/* Starts watching the socket: for its end, and with `blocked` for room. */
int weir__listener_watch(weir__listener_t *listener, int blocked);

/* Bounds the kernel's send buffer by rate and window. */
void weir__listener_bound(weir__listener_t *listener);

#endif
