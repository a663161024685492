/* fanout_state.h - the fan-out as its own parts see it. */
#ifndef WEIR_FANOUT_STATE_H
#define WEIR_FANOUT_STATE_H

#include "listener.h"
#include "phase.h"
#include "weir/fanout.h"
#include "weir/feed.h"
#include "weir/histogram.h"

#pragma GCC visibility push(hidden)

#define WEIR__FANOUT_MAGIC 0x57454646u
/* Step of the housekeeping when window is 0: timeouts, ns. */
#define WEIR__FANOUT_IDLE_WINDOW 100000000ull
/* Bytes transformed at a time. */
#define WEIR__FANOUT_SCRATCH 65536u
/* Least send buffer of a listener's socket, bytes. */
#define WEIR__FANOUT_MIN_BUFFER 65536u
/* Most, bytes: setsockopt takes an int and the kernel doubles it. */
#define WEIR__FANOUT_MAX_BUFFER 0x20000000u

struct weir_fanout {
  uint32_t magic;
  uv_loop_t *loop;
  weir_log_t *log;
  weir_allocator_t allocator;
  weir_fanout_options_t options;
  void (*closed)(void *data);

  /* Every listener is in one of these lists, or in a slot of the phase. */
  weir__link_t ready;  /* to be served at the next turn */
  weir__link_t lapped; /* skipped and in want of bytes: ready once there are */
  weir__link_t pass;   /* being served */
  weir__phase_t phase;

  uint64_t next_id;
  uint64_t marks[2];   /* heads when the last two rounds of slots began */
  uint64_t floor;      /* no listener is older (WEIR_SLOW_PAUSE) */
  uint64_t held_since; /* clock, ns, while held */
  uint64_t quiet;      /* slots served since anything was pending */
  uint32_t bounds;     /* changes of what bounds send buffers */
  uint32_t handles;    /* uv handles that are not closed yet */
  int timer_fd;
  uint8_t own_clock; /* the host turns it; no timer */
  uint8_t armed;
  uint8_t flush_all;  /* every slot is due at the next turn */
  uint8_t slots_next; /* ready ones were served last: a due slot's turn */
  uint8_t rearm;      /* the step changed: set the timer again */
  uint8_t held;
  uint8_t turning;
  uint8_t closing;

  uv_poll_t timer;
  uv_check_t check; /* where it is served: once a turn of the loop, */
  uv_idle_t idle;   /* which does not wait meanwhile */
  weir_fanout_counters_t counters;
  weir_histogram_t lag;
  weir__title_t *title; /* NULL: none was ever set */

  weir__link_t followers; /* feeds of its log into others */

  weir_feed_t *fed_by; /* told when a hold ends, after the writer */

  /* The writer that is told when a hold ends. */
  void (*resume)(void *context);
  void *resume_context;

  /* Transformed bytes of [scratch_position, + scratch_length). NULL while no
   * listener has asked for a transform. */
  uint8_t *scratch;
  uint64_t scratch_position;
  size_t scratch_length;
  weir_transform_t scratch_transform;
};

typedef void (*weir__visit)(weir__listener_t *listener, void *context);

/* Calls `visit` for every listener; it must not add or end any. */
void weir__fanout_visit(weir_fanout_t *fanout, weir__visit visit,
                        void *context);

/* Monotonic nanoseconds by the fan-out's clock. */
uint64_t weir__fanout_now(const weir_fanout_t *fanout);

/* Starts the timer, if there are listeners. */
void weir__fanout_arm(weir_fanout_t *fanout);

/* Serves what there is to serve in this turn of the loop, or the next. With a
 * host's clock it waits for weir_fanout_turn(). */
void weir__fanout_soon(weir_fanout_t *fanout);

/* Serves a listener before its slot is due: it is new, or has room again. */
void weir__fanout_ready(weir_fanout_t *fanout, weir__listener_t *listener);

/* Takes a listener out of its slot, and out of any list. */
void weir__fanout_unlink(weir_fanout_t *fanout, weir__listener_t *listener);

/* Ends the hold when everybody has caught up enough. O(n) while held. */
void weir__fanout_end_hold(weir_fanout_t *fanout);

/* Makes the memory that transformed bytes are put into. UV_ENOMEM. */
int weir__fanout_make_scratch(weir_fanout_t *fanout);

/* The bytes at `position`, which are these pieces (WEIR__FANOUT_SCRATCH at
 * most), in the listener's form: as many in the scratch memory. */
const uint8_t *weir__fanout_transformed(weir_fanout_t *fanout,
                                        weir_transform_t transform,
                                        uint64_t position,
                                        const struct iovec *iov, int pieces);

/* The timer fired, and the loop turned. */
void weir__fanout_on_timer(uv_poll_t *timer, int status, int events);

/* A handle of the fan-out was closed. */
void weir__fanout_handle_closed(weir_fanout_t *fanout);

/* Who is told, on the loop, that a hold has ended; the last to ask. */
void weir__fanout_set_writer(weir_fanout_t *fanout,
                             void (*resume)(void *context), void *context);

/* The log has grown: those that follow it take what is new. In feed.c. */
void weir__fanout_feed(weir_fanout_t *fanout);
/* Has a feed wait until the loop has turned. */
void weir__feed_rest(weir_feed_t *feed);

/* `context` is not to be told any more, if it was. */
void weir__fanout_clear_writer(weir_fanout_t *fanout, const void *context);

#pragma GCC visibility pop

#endif
