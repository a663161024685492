/*
 * fanout.c - the fan-out: when its listeners are served.
 *
 * Serving happens in one place, right after the loop has polled, and is cut
 * into passes: one list of listeners, each looked at once. A list is a slot
 * of the phase that is due, or those that are ready before it: the new, those
 * whose socket has room again, and those of which one write did not take all.
 * The two kinds take turns, so that neither starves the other. After a burst's
 * worth of writes the loop turns, and the pass goes on afterwards.
 *
 * Slots become due by a periodic timerfd on an absolute grid, or all at once
 * when the source writes and the window is 0, and when it wrote so much that
 * a listener which waited for its slot would be lapped. The timer runs only
 * while something is, or was lately, to be sent.
 */
#include "weir/fanout.h"

#include <stddef.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "budget.h"
#include "fanout_state.h"

#define BURST_CHECK 8u  /* listeners between two looks at the clock */
#define CACHE_LINE  64u /* bytes */

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

static void start_grid(weir_fanout_t *fanout, uint64_t latest) {
  weir__phase_start(&fanout->phase, weir__fanout_now(fanout));
  if (fanout->phase.next > latest) fanout->phase.next = latest;
  set_timer(fanout, fanout->phase.next, weir__phase_step(&fanout->phase));
}

void weir__fanout_arm(weir_fanout_t *fanout) {
  if (fanout->armed || fanout->closing || fanout->counters.listeners == 0)
    return;
  fanout->armed = 1;
  fanout->quiet = 0;
  start_grid(fanout, UINT64_MAX);
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
  weir__fanout_soon(fanout);
}

/* ---- lists ---- */

void weir__fanout_unlink(weir_fanout_t *fanout, weir__listener_t *listener) {
  if (listener->slot == WEIR__LISTENER_NO_SLOT)
    weir__link_remove(&listener->link);
  else
    weir__phase_remove(&fanout->phase, &listener->link, listener->slot);
  listener->slot = WEIR__LISTENER_NO_SLOT;
}

void weir__fanout_ready(weir_fanout_t *fanout, weir__listener_t *listener) {
  weir__fanout_unlink(fanout, listener);
  weir__link_append(&fanout->ready, &listener->link);
  weir__fanout_soon(fanout);
}

static void on_moved(weir__link_t *link, uint32_t slot) {
  ((weir__listener_t *)link)->slot = slot;
}

/* Where a listener waits after it has been served. */
static void put_back(weir_fanout_t *fanout, weir__listener_t *listener,
                     weir__flush_t result) {
  if (result == WEIR__FLUSH_MORE || result == WEIR__FLUSH_LAPPED) {
    weir__fanout_unlink(fanout, listener);
    weir__link_append(
        result == WEIR__FLUSH_MORE ? &fanout->ready : &fanout->lapped,
        &listener->link);
    return;
  }
  weir__link_remove(&listener->link);
  if (listener->slot == WEIR__LISTENER_NO_SLOT)
    listener->slot = weir__phase_add(&fanout->phase, &listener->link);
  else
    weir__phase_put(&fanout->phase, &listener->link, listener->slot);
}

/* ---- serving ---- */

/* What is left of a burst. */
typedef struct weir__burst {
  uint64_t now;
  uint64_t end;
  uint64_t last_write;
  uint32_t to_check;
  uint32_t served;
} weir__burst_t;

static int burst_is_over(weir_fanout_t *fanout, weir__burst_t *burst) {
  if (fanout->counters.writes >= burst->last_write) return 1;
  /* Others have used the turn up: one is served all the same. */
  if (burst->end <= burst->now && burst->served > 0) return 1;
  if (++burst->to_check < BURST_CHECK) return 0;
  burst->to_check = 0;
  burst->now = weir__fanout_now(fanout);
  return burst->now >= burst->end;
}

/* Brings a listener into the cache while another is served: a window later
 * each is cold, and waiting for its memory costs as much as looking at it. */
static void fetch(const weir__link_t *link) {
  const char *bytes = (const char *)link;
  for (size_t i = 0; i < offsetof(weir__listener_t, poll); i += CACHE_LINE)
    __builtin_prefetch(bytes + i, 1);
}

/* Goes on with the pass. Returns 1 at its end, 0 when the burst is over
 * before. Callbacks may end any listener, or the fan-out. */
static int serve_pass(weir_fanout_t *fanout, weir__burst_t *burst) {
  while (!weir__link_is_empty(&fanout->pass)) {
    if (burst_is_over(fanout, burst)) return 0;
    burst->served++;
    weir__listener_t *listener = (weir__listener_t *)fanout->pass.next;
    fetch(listener->link.next);
    weir__flush_t result = weir__listener_flush(listener, burst->now);
    if (result != WEIR__FLUSH_IDLE) fanout->quiet = 0;
    if (result != WEIR__FLUSH_ENDED)
      put_back(fanout, listener, result);
    else
      burst->to_check = BURST_CHECK; /* ending one costs as much as several */
  }
  return 1;
}

/* Chooses what to serve next. */
static int begin_pass(weir_fanout_t *fanout) {
  weir__phase_t *phase = &fanout->phase;
  if (weir__phase_balance(phase, on_moved)) fanout->rearm = 1;
  int ready = !weir__link_is_empty(&fanout->ready);
  if (phase->due > 0 && (fanout->slots_next || !ready)) {
    if (phase->cursor == 0) {
      fanout->marks[1] = fanout->marks[0];
      fanout->marks[0] = weir_log_head(fanout->log);
    }
    weir__phase_take(phase, &fanout->pass);
    fanout->slots_next = 0;
    fanout->quiet++;
    return 1;
  }
  if (!ready) return 0;
  weir__link_move(&fanout->ready, &fanout->pass);
  fanout->slots_next = 1;
  return 1;
}

static int has_work(const weir_fanout_t *fanout) {
  return !weir__link_is_empty(&fanout->pass) ||
         !weir__link_is_empty(&fanout->ready) || fanout->flush_all;
}

static void keep_time(weir_fanout_t *fanout) {
  /* However often the step changes, the next slot is not put off. */
  if (fanout->rearm && fanout->armed) start_grid(fanout, fanout->phase.next);
  fanout->rearm = 0;
  if (fanout->counters.listeners == 0 ||
      fanout->quiet > 2ull * fanout->phase.count)
    disarm(fanout);
  if (has_work(fanout)) {
    weir__fanout_soon(fanout);
  } else {
    (void)uv_check_stop(&fanout->check);
    (void)uv_idle_stop(&fanout->idle);
  }
}

static void turn(weir_fanout_t *fanout) {
  if (fanout->turning || fanout->closing) return;
  fanout->turning = 1;
  uint64_t now = weir__fanout_now(fanout);
  weir__burst_t burst = {
      .now = now,
      .end = now + weir__budget_left(fanout->options.budget),
      .last_write = fanout->counters.writes + WEIR_FANOUT_BURST_SENDS};
  if (fanout->armed) weir__phase_advance(&fanout->phase, now);
  if (fanout->flush_all && weir__link_is_empty(&fanout->pass)) {
    fanout->flush_all = 0;
    fanout->marks[0] = fanout->marks[1] = weir_log_head(fanout->log);
    weir__phase_all_due(&fanout->phase);
  }
  while (!weir__link_is_empty(&fanout->pass) || begin_pass(fanout))
    if (!serve_pass(fanout, &burst)) break;
  if (fanout->options.budget != NULL)
    weir__budget_spend(fanout->options.budget, weir__fanout_now(fanout) - now);
  if (!fanout->closing) weir__fanout_end_hold(fanout);
  fanout->turning = 0;
  if (!fanout->closing) keep_time(fanout);
}

static void on_check(uv_check_t *check) {
  turn(check->data);
}

/* It only keeps the loop from waiting. */
static void on_idle(uv_idle_t *idle) {
  (void)idle;
}

void weir__fanout_soon(weir_fanout_t *fanout) {
  if (fanout->own_clock || fanout->closing) return;
  (void)uv_check_start(&fanout->check, on_check);
  (void)uv_idle_start(&fanout->idle, on_idle);
}

void weir_fanout_turn(weir_fanout_t *fanout) {
  /* A host's clock stands still while it turns: everything due is served. */
  do
    turn(fanout);
  while (!fanout->turning && !fanout->closing && fanout->own_clock &&
         has_work(fanout));
}

void weir_fanout_published(weir_fanout_t *fanout) {
  if (fanout->closing) return;
  if (!weir__link_is_empty(&fanout->followers)) weir__fanout_feed(fanout);
  if (fanout->closing || fanout->counters.listeners == 0) return;
  fanout->quiet = 0;
  weir__fanout_arm(fanout);
  weir__link_move(&fanout->lapped, &fanout->ready);
  /* Half the ring since the slot that waits longest was served: nobody who
   * keeps up is lapped because the window is long for the ring. */
  uint64_t unserved = weir_log_head(fanout->log) - fanout->marks[1];
  if (fanout->options.window_is_zero ||
      unserved >= weir_log_capacity(fanout->log) / 2)
    fanout->flush_all = 1;
  if (has_work(fanout)) weir__fanout_soon(fanout);
  if (fanout->own_clock && fanout->flush_all) weir_fanout_turn(fanout);
}
