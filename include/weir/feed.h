/*
 * feed.h - one log written from another, as its fan-out's log grows.
 *
 * While a station has no source of its own it plays another one: a feed follows
 * that one's log and copies its units into the station's, whose listeners stay
 * where they are and notice nothing but other bytes. It is a cursor like any
 * listener's, in memory instead of behind a socket: nothing is queued, and it
 * is not counted among the listeners.
 *
 * It writes whole units only and keeps nothing back, so it can be closed at any
 * moment, and whoever writes next begins with a unit. Of a transport stream the
 * tables of the place where it begins are written first, and the track of the
 * log is told of the gap. It writes as much at a time as a source does, and
 * waits when somebody must be waited for (WEIR_SLOW_PAUSE). When the log that
 * it follows has moved on further than its ring, it goes on at its newest unit,
 * behind a gap; what was lost is counted.
 */
#ifndef WEIR_FEED_H
#define WEIR_FEED_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "allocator.h"
#include "fanout.h"
#include "log.h"
#include "track.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_FEED_PREAMBLE_MAX WEIR_TRACK_PREAMBLE_MAX /* bytes */

typedef struct weir_feed weir_feed_t;

typedef struct weir_feed_options {
  size_t size;
  /* Whose log is followed; not owned, outlives the feed. Required. Nothing that
   * is fed from it, over however many steps, may feed it. */
  weir_fanout_t *from;
  /* Where to begin: a unit boundary that is in memory, or
   * WEIR_FANOUT_NEWEST. */
  uint64_t position;
  /* Whole units that are written first, WEIR_FEED_PREAMBLE_MAX bytes at most:
   * the tables of a transport stream. */
  const void *preamble;
  size_t preamble_length;
  /* What is written, and is told of it; of the same unit. Not owned, outlives
   * the feed. Required. */
  weir_fanout_t *to;
  weir_track_t *track; /* of `to`'s log, for a transport stream */
  /* The first unit is in the log. May close the feed. May be NULL. */
  void (*on_first)(weir_feed_t *feed);
  const weir_allocator_t *allocator;
  void *data;
} weir_feed_options_t;

/* Begins to follow; writes the preamble and what there is from `position` on at
 * the loop's next turn. UV_ENOMEM, WEIR_EOPTION, WEIR_EUNALIGNED, WEIR_EBEHIND,
 * WEIR_EAHEAD. O(1). */
WEIR_EXTERN WEIR_NODISCARD int weir_feed_open(
    uv_loop_t *loop, weir_feed_t **feed, const weir_feed_options_t *options);

/* Writes nothing more; frees after `closed` (may be NULL) was called from the
 * loop. NULL is a no-op. */
WEIR_EXTERN void weir_feed_close(weir_feed_t *feed, void (*closed)(void *data));

/* Bytes that it took from the log it follows. */
WEIR_EXTERN uint64_t weir_feed_bytes(const weir_feed_t *feed);

/* Bytes that were gone before they could be taken. */
WEIR_EXTERN uint64_t weir_feed_skipped(const weir_feed_t *feed);

/* Writes what there is now: for tests that turn what they test. */
WEIR_EXTERN void weir_feed_turn(weir_feed_t *feed);

WEIR_EXTERN void *weir_feed_data(const weir_feed_t *feed);

WEIR_END_DECLS

#endif
