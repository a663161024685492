/* fanout_members.c - listeners come, go, and are counted. */
#include <string.h>

#include "allocation.h"
#include "fanout_state.h"
#include "options.h"
#include "weir/errors.h"

#define OPTIONS_LEAST WEIR__OPTIONS_TO(weir_listener_options_t, data)

/* ---- coming ---- */

static int check_position(const weir_fanout_t *fanout, uint64_t position) {
  if (position == WEIR_FANOUT_NEWEST) return 0;
  if (position % weir_log_unit(fanout->log) != 0) return WEIR_EUNALIGNED;
  switch (weir_log_where(fanout->log, position)) {
    case WEIR_TIER_BEHIND:
      return WEIR_EBEHIND;
    case WEIR_TIER_AHEAD:
      return WEIR_EAHEAD;
    default:
      return 0;
  }
}

static int check_listener(const weir_fanout_t *fanout,
                          const weir_listener_options_t *options) {
  if (fanout->closing) return WEIR_EOPTION;
  if (options->fd < 0 || options->preamble_length > WEIR_FANOUT_PREAMBLE_MAX ||
      (options->preamble == NULL && options->preamble_length > 0) ||
      options->transform > WEIR_TRANSFORM_SWAP32 ||
      options->head_length > options->preamble_length ||
      options->icy_interval > WEIR_ICY_INTERVAL_MAX)
    return WEIR_EOPTION;
  if (options->transform != WEIR_TRANSFORM_NONE) {
    /* A unit must be a run of such samples. */
    uint32_t sample = (uint32_t)options->transform + 1;
    if (weir_log_unit(fanout->log) % sample != 0) return WEIR_EOPTION;
  }
  return check_position(fanout, options->position);
}

static void include(weir_fanout_t *fanout, weir__listener_t *listener) {
  weir_fanout_counters_t *counters = &fanout->counters;
  listener->id = ++fanout->next_id;
  if (listener->position < fanout->floor) fanout->floor = listener->position;
  counters->joined++;
  counters->listeners++;
  if (counters->listeners > counters->listeners_peak)
    counters->listeners_peak = counters->listeners;
  if (counters->listeners == 1)
    fanout->marks[0] = fanout->marks[1] = weir_log_head(fanout->log);
  weir__fanout_ready(fanout, listener);
  weir__fanout_arm(fanout);
}

int weir_fanout_add(weir_fanout_t *fanout, const weir_listener_options_t *given,
                    uint64_t *id) {
  weir_listener_options_t read;
  const weir_listener_options_t *options = &read;
  int error = weir__options_read(&read, sizeof read, given, OPTIONS_LEAST);
  if (error == 0) error = check_listener(fanout, options);
  if (error < 0) return error;
  if (options->transform != WEIR_TRANSFORM_NONE) {
    error = weir__fanout_make_scratch(fanout);
    if (error < 0) return error;
  }
  weir__listener_t *made;
  error = weir__listener_make(fanout, &made, options);
  if (error < 0) return error;
  include(fanout, made);
  *id = made->id;
  return 0;
}

/* ---- going ---- */

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
  weir__fanout_visit(fanout, match_id, &search);
  if (search.found == NULL) return UV_ENOENT;
  weir__listener_end(search.found, WEIR_END_KICKED, 0);
  return 0;
}

static void gather(weir_fanout_t *fanout, weir__link_t *list,
                   weir__link_t *into) {
  while (!weir__link_is_empty(list)) {
    weir__listener_t *listener = (weir__listener_t *)list->next;
    weir__fanout_unlink(fanout, listener);
    weir__link_append(into, &listener->link);
  }
}

static void mark(weir__listener_t *listener, void *context) {
  const weir_end_reason_t *reason = context;
  if (listener->ending) return;
  listener->ending = 1;
  listener->reason = (uint8_t)*reason;
}

void weir_fanout_end(weir_fanout_t *fanout, weir_end_reason_t reason) {
  if ((unsigned)reason >= WEIR_END_REASONS) reason = WEIR_END_SHUTDOWN;
  /* Those that are there now: a callback may add others. */
  weir__fanout_visit(fanout, mark, &reason);
  int at_once = fanout->own_clock || fanout->closing;
  weir__link_t *into = at_once ? &fanout->pass : &fanout->ready;
  if (at_once)
    gather(fanout, &fanout->ready, into);
  else
    gather(fanout, &fanout->pass, into);
  gather(fanout, &fanout->lapped, into);
  for (uint32_t i = 0; i < fanout->phase.count; i++)
    gather(fanout, &fanout->phase.slots[i], into);
  if (!at_once) {
    weir__fanout_soon(fanout);
    return;
  }
  while (!weir__link_is_empty(&fanout->pass)) {
    weir__listener_t *listener = (weir__listener_t *)fanout->pass.next;
    (void)weir__listener_flush(listener, weir__fanout_now(fanout));
  }
}

/* ---- being there ---- */

static void visit_list(weir__link_t *list, weir__visit visit, void *context) {
  for (weir__link_t *at = list->next; at != list; at = at->next)
    visit((weir__listener_t *)at, context);
}

void weir__fanout_visit(weir_fanout_t *fanout, weir__visit visit,
                        void *context) {
  for (uint32_t i = 0; i < fanout->phase.count; i++)
    visit_list(&fanout->phase.slots[i], visit, context);
  visit_list(&fanout->pass, visit, context);
  visit_list(&fanout->ready, visit, context);
  visit_list(&fanout->lapped, visit, context);
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
  weir__fanout_visit(fanout, describe, &call);
}
