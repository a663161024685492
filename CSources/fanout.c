/*
 * fanout.c - the fan-out: when its listeners are served.
 *
 * A pass serves the slots that are due, listener by listener, until it has
 * made a burst's worth of writes; then the loop turns and the pass goes on
 * from an idle handle. Slots become due by a periodic timerfd on an absolute
 * grid, or all at once when the source writes and the window is 0. The timer
 * runs only while something is, or was lately, to be sent.
 */
#include "weir/fanout.h"

#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "allocation.h"
#include "fanout_state.h"
#include "weir/errors.h"
#include "weir/pcm.h"

#define BURST_CHECK 8u /* writes between two looks at the clock */

static void turn(weir_fanout_t *fanout);

uint64_t weir__fanout_now(const weir_fanout_t *fanout) {
  if (fanout->own_clock)
    return fanout->options.clock(fanout->options.clock_context);
  return uv_hrtime();
}

/* ---- the timer ---- */

static void set_timer(weir_fanout_t *fanout, uint64_t first, uint64_t step) {
  if (fanout->own_clock) return;
  struct itimerspec when = {
      .it_value = {(time_t)(first / 1000000000u), (long)(first % 1000000000u)},
      .it_interval = {(time_t)(step / 1000000000u), (long)(step % 1000000000u)},
  };
  (void)timerfd_settime(fanout->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void arm(weir_fanout_t *fanout) {
  if (fanout->armed || fanout->counters.listeners == 0) return;
  fanout->armed = 1;
  fanout->quiet = 0;
  weir__phase_start(&fanout->phase, weir__fanout_now(fanout));
  set_timer(fanout, fanout->phase.next, weir__phase_step(&fanout->phase));
}

static void disarm(weir_fanout_t *fanout) {
  if (!fanout->armed) return;
  fanout->armed = 0;
  fanout->phase.due = 0;
  set_timer(fanout, 0, 0);
}

void weir__fanout_on_timer(uv_poll_t *timer, int status, int events) {
  weir_fanout_t *fanout = timer->data;
  (void)status;
  (void)events;
  uint64_t expirations;
  /* Takes the expirations away; the clock says how many slots are due. */
  if (read(fanout->timer_fd, &expirations, sizeof expirations) < 0) return;
  turn(fanout);
}

static void on_idle(uv_idle_t *idle) {
  turn(idle->data);
}

static void turn_soon(weir_fanout_t *fanout) {
  if (!fanout->own_clock && !fanout->closing)
    (void)uv_idle_start(&fanout->idle, on_idle);
}

/* ---- holding the source (WEIR_SLOW_PAUSE) ---- */

static void hold(weir_fanout_t *fanout, int on) {
  if (fanout->held == on) return;
  fanout->held = (uint8_t)on;
  if (on) fanout->counters.holds++;
  if (fanout->options.on_hold != NULL) fanout->options.on_hold(fanout, on);
  if (!on && fanout->resume != NULL) fanout->resume(fanout->resume_context);
}

static uint64_t oldest_in(const weir__link_t *list, uint64_t oldest) {
  for (const weir__link_t *at = list->next; at != list; at = at->next) {
    const weir__listener_t *listener = (const weir__listener_t *)at;
    if (listener->position < oldest) oldest = listener->position;
  }
  return oldest;
}

static void find_floor(weir_fanout_t *fanout) {
  uint64_t oldest = oldest_in(&fanout->joining, weir_log_head(fanout->log));
  for (uint32_t i = 0; i < fanout->phase.count; i++)
    oldest = oldest_in(&fanout->phase.slots[i], oldest);
  fanout->floor = oldest;
}

static uint64_t room_above(const weir_fanout_t *fanout) {
  uint64_t end = fanout->floor + weir_log_capacity(fanout->log);
  uint64_t written = weir_log_written(fanout->log);
  return end > written ? end - written : 0;
}

uint64_t weir_fanout_room(weir_fanout_t *fanout, uint64_t wanted) {
  if (fanout->options.policy != WEIR_SLOW_PAUSE ||
      fanout->counters.listeners == 0)
    return UINT64_MAX;
  if (fanout->held) return 0;
  size_t most = weir_log_capacity(fanout->log) / 4;
  if (wanted > most) wanted = most; /* a hold ends with half the ring free */
  uint64_t room = room_above(fanout);
  if (room < wanted) {
    find_floor(fanout);
    room = room_above(fanout);
  }
  if (room < wanted) {
    hold(fanout, 1);
    arm(fanout); /* the timeouts of those it waits for */
    return 0;
  }
  return room;
}

/* A hold ends when everybody is within half the ring. */
static void end_hold_if_caught_up(weir_fanout_t *fanout) {
  if (!fanout->held) return;
  find_floor(fanout);
  uint64_t lag = weir_log_head(fanout->log) - fanout->floor;
  if (lag <= weir_log_capacity(fanout->log) / 2) hold(fanout, 0);
}

void weir__fanout_set_writer(weir_fanout_t *fanout,
                             void (*resume)(void *context), void *context) {
  fanout->resume = resume;
  fanout->resume_context = context;
}

/* ---- serving ---- */

static void on_moved(weir__link_t *link, uint32_t slot) {
  ((weir__listener_t *)link)->slot = slot;
}

/* What is left of a burst. */
typedef struct weir__burst {
  uint64_t now;
  uint64_t end;
  uint32_t sends;
  uint32_t to_check;
} weir__burst_t;

static int burst_is_over(weir_fanout_t *fanout, weir__burst_t *burst) {
  if (burst->sends >= WEIR_FANOUT_BURST_SENDS) return 1;
  if (++burst->to_check < BURST_CHECK) return 0;
  burst->to_check = 0;
  burst->now = weir__fanout_now(fanout);
  return burst->now >= burst->end;
}

/* Goes on with the list that is being served. Returns 1 at its end, 0 when
 * the burst is over before. Callbacks may end any listener, or the fan-out. */
static int serve_list(weir_fanout_t *fanout, weir__burst_t *burst) {
  while (fanout->upcoming != fanout->serving) {
    if (burst_is_over(fanout, burst)) return 0;
    weir__listener_t *listener = (weir__listener_t *)fanout->upcoming;
    fanout->upcoming = listener->link.next;
    if (weir__listener_flush(listener, burst->now) != WEIR__FLUSH_IDLE) {
      burst->sends++;
      fanout->quiet = 0;
    }
    if (fanout->closing) return 0;
  }
  return 1;
}

static void finish_list(weir_fanout_t *fanout) {
  if (fanout->serving == &fanout->joining) {
    while (fanout->joining.next != &fanout->joining) {
      weir__link_t *link = fanout->joining.next;
      weir__link_remove(link);
      on_moved(link, weir__phase_add(&fanout->phase, link));
    }
  } else {
    weir__phase_served(&fanout->phase);
    fanout->quiet++;
  }
  fanout->serving = NULL;
}

/* Chooses what to serve next: joiners do not wait for a slot. */
static int begin_list(weir_fanout_t *fanout) {
  weir__phase_t *phase = &fanout->phase;
  if (weir__phase_balance(phase, on_moved)) fanout->rearm = 1;
  if (fanout->joining.next != &fanout->joining)
    fanout->serving = &fanout->joining;
  else if (phase->due > 0)
    fanout->serving = &phase->slots[phase->cursor];
  else
    return 0;
  fanout->upcoming = fanout->serving->next;
  return 1;
}

static void keep_time(weir_fanout_t *fanout) {
  weir__phase_t *phase = &fanout->phase;
  if (fanout->rearm && fanout->armed) {
    weir__phase_start(phase, weir__fanout_now(fanout));
    set_timer(fanout, phase->next, weir__phase_step(phase));
  }
  fanout->rearm = 0;
  if (fanout->serving != NULL || fanout->flush_all)
    turn_soon(fanout);
  else
    (void)uv_idle_stop(&fanout->idle);
  if (fanout->counters.listeners == 0 || fanout->quiet > 2ull * phase->count)
    disarm(fanout);
}

static void turn(weir_fanout_t *fanout) {
  if (fanout->turning || fanout->closing) return;
  fanout->turning = 1;
  uint64_t now = weir__fanout_now(fanout);
  weir__burst_t burst = {now, now + WEIR_FANOUT_BURST_NS, 0, 0};
  if (fanout->armed) weir__phase_advance(&fanout->phase, now);
  if (fanout->flush_all && fanout->serving == NULL) {
    fanout->flush_all = 0;
    weir__phase_all_due(&fanout->phase);
  }
  while (fanout->serving != NULL || begin_list(fanout)) {
    if (!serve_list(fanout, &burst)) break;
    finish_list(fanout);
  }
  if (!fanout->closing) end_hold_if_caught_up(fanout);
  fanout->turning = 0;
  if (!fanout->closing) keep_time(fanout);
}

void weir_fanout_turn(weir_fanout_t *fanout) {
  /* A host's clock stands still while it turns: everything due is served. */
  do
    turn(fanout);
  while (!fanout->closing && fanout->own_clock && fanout->serving != NULL);
}

void weir_fanout_published(weir_fanout_t *fanout) {
  if (fanout->closing || fanout->counters.listeners == 0) return;
  fanout->quiet = 0;
  arm(fanout);
  if (!fanout->options.window_is_zero) return;
  fanout->flush_all = 1;
  weir_fanout_turn(fanout);
}

/* ---- listeners ---- */

static int check_listener(const weir_fanout_t *fanout,
                          const weir_listener_options_t *options) {
  if (options == NULL || options->size != sizeof *options) return WEIR_EOPTION;
  if (options->fd < 0 || fanout->closing ||
      options->preamble_length > WEIR_FANOUT_PREAMBLE_MAX ||
      options->transform > WEIR_TRANSFORM_SWAP32)
    return WEIR_EOPTION;
  uint32_t unit = weir_log_unit(fanout->log);
  if (options->transform != WEIR_TRANSFORM_NONE &&
      unit % ((uint32_t)options->transform + 1) != 0)
    return WEIR_EOPTION; /* a frame is not a run of such samples */
  if (options->position == WEIR_FANOUT_NEWEST) return 0;
  if (options->position % unit != 0) return WEIR_EUNALIGNED;
  switch (weir_log_where(fanout->log, options->position)) {
    case WEIR_TIER_BEHIND:
      return WEIR_EBEHIND;
    case WEIR_TIER_AHEAD:
      return WEIR_EAHEAD;
    default:
      return 0;
  }
}

static weir__listener_t *make_listener(weir_fanout_t *fanout,
                                       const weir_listener_options_t *options) {
  size_t bytes = weir_fanout_listener_bytes(fanout);
  weir__listener_t *made = weir__allocate(&fanout->allocator, bytes);
  if (made == NULL) return NULL;
  if (options->preamble_length > 0) {
    made->preamble =
        weir__allocate(&fanout->allocator, options->preamble_length);
    if (made->preamble == NULL) {
      weir__release(&fanout->allocator, made, bytes);
      return NULL;
    }
    memcpy(made->preamble, options->preamble, options->preamble_length);
    made->preamble_length = (uint16_t)options->preamble_length;
  }
  made->fanout = fanout;
  made->fd = options->fd;
  made->sink = options->sink;
  made->sink_context = options->sink_context;
  made->data = options->data;
  made->transform = (uint8_t)options->transform;
  made->slot = WEIR__LISTENER_JOINING;
  made->since = weir__fanout_now(fanout);
  made->progress = made->since;
  made->position = options->position == WEIR_FANOUT_NEWEST
                       ? weir_log_head(fanout->log)
                       : options->position;
  if (options->label != NULL)
    strncpy(made->label, options->label, WEIR_FANOUT_LABEL_MAX);
  weir__link_init(&made->link);
  return made;
}

int weir_fanout_add(weir_fanout_t *fanout,
                    const weir_listener_options_t *options, uint64_t *id) {
  int error = check_listener(fanout, options);
  if (error < 0) return error;
  weir__listener_t *made = make_listener(fanout, options);
  if (made == NULL) return UV_ENOMEM;
  error = uv_poll_init(fanout->loop, &made->poll, options->fd);
  if (error < 0) {
    weir__listener_discard(made);
    return error;
  }
  made->poll.data = made;
  uv_unref((uv_handle_t *)&made->poll);
  fanout->handles++;
  error = weir__listener_watch(made, 0);
  if (error < 0) {
    weir__listener_abandon(made);
    return error;
  }
  weir__listener_bound(made);

  made->id = ++fanout->next_id;
  *id = made->id;
  weir__link_append(&fanout->joining, &made->link);
  if (made->position < fanout->floor) fanout->floor = made->position;
  weir_fanout_counters_t *counters = &fanout->counters;
  counters->joined++;
  counters->listeners++;
  if (counters->listeners > counters->listeners_peak)
    counters->listeners_peak = counters->listeners;
  arm(fanout);
  turn_soon(fanout);
  return 0;
}

typedef void (*weir__visit)(weir__listener_t *listener, void *context);

static void visit_list(weir__link_t *list, weir__visit visit, void *context) {
  for (weir__link_t *at = list->next; at != list; at = at->next)
    visit((weir__listener_t *)at, context);
}

static void visit_all(weir_fanout_t *fanout, weir__visit visit, void *context) {
  visit_list(&fanout->joining, visit, context);
  for (uint32_t i = 0; i < fanout->phase.count; i++)
    visit_list(&fanout->phase.slots[i], visit, context);
}

typedef struct weir__search {
  uint64_t id;
  weir__listener_t *found;
} weir__search_t;

static void match_id(weir__listener_t *listener, void *context) {
  weir__search_t *search = context;
  if (listener->id == search->id) search->found = listener;
}

int weir_fanout_kick(weir_fanout_t *fanout, uint64_t id) {
  weir__search_t search = {id, NULL};
  visit_all(fanout, match_id, &search);
  if (search.found == NULL) return UV_ENOENT;
  weir__listener_end(search.found, WEIR_END_KICKED, 0);
  return 0;
}

static weir__listener_t *any_listener(weir_fanout_t *fanout) {
  if (fanout->joining.next != &fanout->joining)
    return (weir__listener_t *)fanout->joining.next;
  for (uint32_t i = 0; i < fanout->phase.count; i++)
    if (fanout->phase.slots[i].next != &fanout->phase.slots[i])
      return (weir__listener_t *)fanout->phase.slots[i].next;
  return NULL;
}

void weir_fanout_end(weir_fanout_t *fanout, weir_end_reason_t reason) {
  weir__listener_t *listener;
  while ((listener = any_listener(fanout)) != NULL) {
    uint64_t now = weir__fanout_now(fanout);
    if (weir__listener_flush(listener, now) != WEIR__FLUSH_ENDED)
      weir__listener_end(listener, reason, 0);
  }
}

typedef struct weir__each {
  void (*each)(void *context, const weir_listener_info_t *who);
  void *context;
} weir__each_t;

static void describe(weir__listener_t *listener, void *context) {
  const weir__each_t *each = context;
  weir_listener_info_t info = weir__listener_info(listener);
  each->each(each->context, &info);
}

void weir_fanout_each(weir_fanout_t *fanout,
                      void (*each)(void *context,
                                   const weir_listener_info_t *who),
                      void *context) {
  weir__each_t call = {each, context};
  visit_all(fanout, describe, &call);
}
