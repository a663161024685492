/*
 * listener.h - one listener of a fan-out: a cursor, a socket, and the rest of
 * a unit that the socket cut in two.
 */
#ifndef WEIR_LISTENER_H
#define WEIR_LISTENER_H

#include <stdint.h>
#include <uv.h>

#include "disk.h"
#include "framing.h"
#include "phase.h"
#include "weir/fanout.h"

#pragma GCC visibility push(hidden)

#define WEIR__LISTENER_NO_SLOT UINT32_MAX /* slot: in a list of the fan-out */

typedef struct weir__listener {
  weir__link_t link; /* first: a link is its listener */
  weir_fanout_t *fanout;
  const weir_sink_t *sink;
  void *sink_context;
  void *data;
  uint64_t id;
  uint64_t position; /* next whole unit of the log */
  uint64_t since;
  uint64_t progress;  /* when it last took a byte, or had none to take */
  uint64_t allowance; /* lag it joined with, until it has caught up */
  uint64_t seen;      /* when it was last flushed */
  uint64_t behind;    /* when it skipped first; 0: it has caught up since */
  uint64_t regain;    /* bytes it must take to have caught up after a skip */
  uint64_t reported;  /* when its last skip was reported; 0: never */
  uint64_t sent;      /* bytes of the log that were accepted */
  uint64_t skipped;   /* bytes */
  uint64_t skips;     /* times */
  uint64_t told;      /* skips that were reported */
  uint64_t pace;      /* bytes a second until it has caught up; 0: no limit */
  double credit;      /* bytes that its pace lets it have now */
  uint8_t *preamble;  /* NULL once it is sent */
  weir__framing_t *framing; /* NULL: its bytes go out as they are */
  uint32_t slot;            /* or WEIR__LISTENER_NO_SLOT */
  uint32_t bounds;          /* those of the fan-out that its buffer has */
  int fd;
  int error;
  uint16_t preamble_length;
  uint16_t preamble_sent;
  uint16_t rest_length;   /* bytes in rest that are still to be sent */
  uint16_t inject_length; /* bytes that a skip put behind rest, */
  uint16_t inject_sent;   /* and how many of them are sent */
  uint8_t transform;
  uint8_t at_head; /* had taken everything at its last flush */
  uint8_t holding; /* took everything, of which its sink holds some */
  uint8_t blocked; /* waits for the socket to become writable */
  uint8_t woken;   /* it has, since the last write */
  uint8_t watched; /* events that its handle polls for */
  uint8_t gone;    /* its socket said so; `error` says how */
  uint8_t ending;  /* is to be ended, for `reason`, when it is served next */
  uint8_t reason;
  uint8_t ended;

  /* From here on: nothing that a flush touches as a rule. */
  uv_poll_t poll;
  uint64_t disk_since; /* when it began to wait for the disk; 0: it does not */
  weir__waiter_t waiter;

  char label[WEIR_FANOUT_LABEL_MAX + 1];
  uint8_t rest[]; /* one unit; the pending bytes stand at its end. Behind it,
                     where a landing injects, two: what was cut, what is new */
} weir__listener_t;

/* What one flush came to. */
typedef enum weir__flush {
  WEIR__FLUSH_IDLE,    /* nothing was pending */
  WEIR__FLUSH_DONE,    /* everything was accepted, or its pace allows no more */
  WEIR__FLUSH_MORE,    /* all that one write may offer was accepted */
  WEIR__FLUSH_LAPPED,  /* it skipped, and is owed the next bytes at once */
  WEIR__FLUSH_PENDING, /* the socket took part, or nothing */
  WEIR__FLUSH_ENDED    /* the listener is gone */
} weir__flush_t;

/* Makes one from checked options and watches its socket. It is in no list.
 * UV_ENOMEM, or what watching returns; the socket is the caller's then. */
int weir__listener_make(weir_fanout_t *fanout, weir__listener_t **listener,
                        const weir_listener_options_t *options);

/* Applies the policies and, unless it is blocked, sends what is pending. */
weir__flush_t weir__listener_flush(weir__listener_t *listener, uint64_t now);

/* Ends it: takes it out of its list, closes its socket, counts and reports.
 * With `clean`, the peer sees an orderly end. */
void weir__listener_end(weir__listener_t *listener, weir_end_reason_t reason,
                        int error);

/* Its description for callbacks. */
weir_listener_info_t weir__listener_info(const weir__listener_t *listener);

/* Starts watching the socket: for its end, and with `blocked` for room. */
int weir__listener_watch(weir__listener_t *listener, int blocked);

/* Bounds the kernel's send buffer by rate and window. */
void weir__listener_bound(weir__listener_t *listener);

/* ---- listener_send.c ---- */

/* Makes one write of what is pending. Not to one that is blocked. */
weir__flush_t weir__listener_send(weir__listener_t *listener, uint64_t now);

/* A listener's socket failed, or its peer left. */
void weir__listener_fail(weir__listener_t *listener, int error);

/* The bytes that its kernel buffer is bounded by. */
uint64_t weir__listener_buffer(const weir_fanout_t *fanout);

/* ---- listener_file.c ---- */

/*
 * The bytes at its position, from memory or the files: at most `limit` (whole
 * units) in one or two pieces. 0: there are none, or, with disk_since set, they
 * are not there yet. A negative error: it is behind.
 */
int64_t weir__listener_show(weir__listener_t *listener, size_t limit,
                            uint64_t now, struct iovec iov[2], int *pieces);

/* It waits for the disk no more: it has moved on, or ends. */
void weir__listener_leave_disk(weir__listener_t *listener);

/* The disk has something for it. */
void weir__listener_on_disk(weir__waiter_t *waiter);

#pragma GCC visibility pop

#endif
