/* fanout_state.h - the fan-out as its own parts see it. */
#ifndef WEIR_FANOUT_STATE_H
#define WEIR_FANOUT_STATE_H

#include "listener.h"
#include "phase.h"
#include "weir/fanout.h"
#include "weir/histogram.h"

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

  weir__phase_t phase;
  weir__link_t joining;   /* new listeners, served at the next turn */
  weir__link_t *serving;  /* the list that is being served, or NULL */
  weir__link_t *upcoming; /* its link that is looked at next */
  uint64_t next_id;
  uint64_t floor;   /* no listener is older (WEIR_SLOW_PAUSE) */
  uint64_t quiet;   /* steps since anything was pending */
  uint32_t handles; /* uv handles that are not closed yet */
  int timer_fd;
  uint8_t own_clock; /* the host turns it; no timer */
  uint8_t armed;
  uint8_t flush_all; /* window 0: serve every slot again */
  uint8_t rearm;     /* the step changed: set the timer again */
  uint8_t held;
  uint8_t turning;
  uint8_t closing;

  uv_poll_t timer;
  uv_idle_t idle;
  weir_fanout_counters_t counters;
  weir_histogram_t lag;

  /* The writer that is told when a hold ends. */
  void (*resume)(void *context);
  void *resume_context;

  /* Transformed bytes of [scratch_position, + scratch_length). */
  uint8_t *scratch;
  uint64_t scratch_position;
  size_t scratch_length;
  weir_transform_t scratch_transform;
};

/* Monotonic nanoseconds by the fan-out's clock. */
uint64_t weir__fanout_now(const weir_fanout_t *fanout);

/* The bytes [position, position + length) in the listener's form: a pointer
 * into the scratch memory, and how many; 0 when there is no memory. */
size_t weir__fanout_transformed(weir_fanout_t *fanout,
                                weir_transform_t transform, uint64_t position,
                                size_t length, const uint8_t **bytes);

/* The timer fired: serves the slots that are due. */
void weir__fanout_on_timer(uv_poll_t *timer, int status, int events);

/* A handle of the fan-out was closed. */
void weir__fanout_handle_closed(weir_fanout_t *fanout);

/* Who is told, on the loop, that a hold has ended. NULL: nobody. */
void weir__fanout_set_writer(weir_fanout_t *fanout,
                             void (*resume)(void *context), void *context);

#endif
