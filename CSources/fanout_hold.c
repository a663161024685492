/*
 * fanout_hold.c - holding the source (WEIR_SLOW_PAUSE).
 *
 * The writer asks for room before it writes. `floor` is a bound: no listener
 * is older, and since positions only grow it has to be found again only when
 * the room above it gets short.
 */
#include "fanout_state.h"

static void hold(weir_fanout_t *fanout, int on) {
  fanout->held = (uint8_t)on;
  if (on) {
    fanout->counters.holds++;
    fanout->held_since = weir__fanout_now(fanout);
  }
  if (fanout->options.on_hold != NULL) fanout->options.on_hold(fanout, on);
  if (on || fanout->closing) return;
  if (fanout->resume != NULL) fanout->resume(fanout->resume_context);
  /* A writer that waited goes first: else the room would be gone again. */
  if (fanout->fed_by != NULL) weir__feed_rest(fanout->fed_by);
}

static void find_older(weir__listener_t *listener, void *context) {
  uint64_t *oldest = context;
  if (listener->position < *oldest) *oldest = listener->position;
}

static void find_floor(weir_fanout_t *fanout) {
  fanout->floor = weir_log_head(fanout->log);
  weir__fanout_visit(fanout, find_older, &fanout->floor);
}

static uint64_t room_above(const weir_fanout_t *fanout) {
  uint64_t end = fanout->floor + weir_log_capacity(fanout->log);
  uint64_t written = weir_log_written(fanout->log);
  return end > written ? end - written : 0;
}

uint64_t weir_fanout_room(weir_fanout_t *fanout, uint64_t wanted) {
  if (fanout->options.policy != WEIR_SLOW_PAUSE) return UINT64_MAX;
  if (fanout->held) return 0;
  if (fanout->counters.listeners == 0) return UINT64_MAX;
  size_t most = weir_log_capacity(fanout->log) / 4;
  if (wanted > most) wanted = most; /* a hold ends with half the ring free */
  uint64_t room = room_above(fanout);
  if (room < wanted) {
    find_floor(fanout);
    room = room_above(fanout);
  }
  if (room >= wanted) return room;
  /* Those it waits for are served at once, and timed. */
  fanout->flush_all = 1;
  weir__fanout_arm(fanout);
  weir__fanout_soon(fanout);
  hold(fanout, 1);
  return 0;
}

/* A hold ends when everybody is within half the ring. */
void weir__fanout_end_hold(weir_fanout_t *fanout) {
  if (!fanout->held) return;
  find_floor(fanout);
  uint64_t lag = weir_log_head(fanout->log) - fanout->floor;
  if (lag <= weir_log_capacity(fanout->log) / 2) hold(fanout, 0);
}

int weir_fanout_is_held(const weir_fanout_t *fanout) {
  return fanout->held;
}

void weir__fanout_set_writer(weir_fanout_t *fanout,
                             void (*resume)(void *context), void *context) {
  fanout->resume = resume;
  fanout->resume_context = context;
}

void weir__fanout_clear_writer(weir_fanout_t *fanout, const void *context) {
  if (fanout->resume_context != context) return;
  fanout->resume = NULL;
  fanout->resume_context = NULL;
}
