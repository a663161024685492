/*
 * listener_send.c - one write to a listener.
 *
 * It offers what lies between the listener's position and the log's head.
 * Nothing is kept of what the socket refused, but the end of a unit that it
 * cut: that is copied and goes first next time, before any skip, so that what
 * a listener receives is whole units whatever it loses.
 */
#include <string.h>

#include "allocation.h"
#include "fanout_state.h"
#include "listener.h"

/* What one write offers: the preamble, the rest of a unit and what a skip
 * injected, the log. */
typedef struct weir__offer {
  struct iovec iov[4];
  int count;
  size_t length; /* of all */
  size_t log;    /* of it, from the log */
} weir__offer_t;

static void offer_bytes(weir__offer_t *offer, const void *bytes,
                        size_t length) {
  if (length == 0) return;
  offer->iov[offer->count++] = (struct iovec){(void *)(uintptr_t)bytes, length};
  offer->length += length;
}

/* Bytes of the log in one write: whole units, by its pace. No listener keeps
 * its pace while the source waits for it. */
static size_t most(const weir__listener_t *listener) {
  const weir_fanout_t *fanout = listener->fanout;
  uint64_t bytes = listener->transform != WEIR_TRANSFORM_NONE
                       ? WEIR__FANOUT_SCRATCH
                       : WEIR_FANOUT_SEND_MAX;
  if (listener->pace > 0 && !fanout->held && listener->credit < (double)bytes)
    bytes = (uint64_t)listener->credit;
  return (size_t)weir_log_align(fanout->log, bytes);
}

static void fill_offer(weir__listener_t *listener, weir__offer_t *offer,
                       uint64_t now) {
  weir_fanout_t *fanout = listener->fanout;
  weir_transform_t transform = (weir_transform_t)listener->transform;
  size_t limit = most(listener);
  struct iovec iov[2];
  int pieces = 0;
  int64_t length = 0;
  if (limit > 0)
    length = weir__listener_show(listener, limit, now, iov, &pieces);
  if (length > 0) offer->log = (size_t)length;

  if (listener->preamble != NULL)
    offer_bytes(offer, listener->preamble + listener->preamble_sent,
                (size_t)(listener->preamble_length - listener->preamble_sent));
  /* What was injected goes with what it precedes. */
  size_t pending = listener->rest_length;
  if (offer->log > 0)
    pending += (size_t)(listener->inject_length - listener->inject_sent);
  const uint8_t *rest = listener->rest + weir_log_unit(fanout->log);
  offer_bytes(offer, rest - listener->rest_length + listener->inject_sent,
              pending);
  if (offer->log > 0 && transform != WEIR_TRANSFORM_NONE) {
    offer_bytes(offer,
                weir__fanout_transformed(fanout, transform, listener->position,
                                         iov, pieces),
                offer->log);
    return;
  }
  for (int i = 0; i < pieces; i++)
    offer_bytes(offer, iov[i].iov_base, iov[i].iov_len);
}

/* Keeps the end of the unit that a write of `taken` of the log's bytes cut in
 * two. They are the last pieces of the offer, and in the listener's form. */
static void keep_rest(weir__listener_t *listener, const weir__offer_t *offer,
                      size_t taken) {
  uint32_t unit = weir_log_unit(listener->fanout->log);
  uint32_t part = (uint32_t)(taken % unit);
  if (part == 0) return;
  size_t skip = offer->length - offer->log + taken;
  uint32_t missing = unit - part;
  uint32_t kept = 0;
  for (int i = 0; kept < missing; i++) {
    const uint8_t *bytes = offer->iov[i].iov_base;
    size_t length = offer->iov[i].iov_len;
    if (skip >= length) {
      skip -= length;
      continue;
    }
    size_t run = length - skip;
    if (run > missing - kept) run = missing - kept;
    memcpy(listener->rest + part + kept, bytes + skip, run);
    kept += (uint32_t)run;
    skip = 0;
  }
  listener->rest_length = (uint16_t)missing;
  listener->position += missing;
}

static void release_sent_preamble(weir__listener_t *listener) {
  if (listener->preamble_sent < listener->preamble_length) return;
  weir__release(&listener->fanout->allocator, listener->preamble,
                listener->preamble_length);
  listener->preamble = NULL;
}

static void account(weir__listener_t *listener, const weir__offer_t *offer,
                    size_t taken) {
  if (listener->preamble != NULL) {
    size_t left = (size_t)(listener->preamble_length - listener->preamble_sent);
    size_t part = taken < left ? taken : left;
    listener->preamble_sent = (uint16_t)(listener->preamble_sent + part);
    taken -= part;
    release_sent_preamble(listener);
  }
  size_t rest = taken < listener->rest_length ? taken : listener->rest_length;
  size_t injected = (size_t)(listener->inject_length - listener->inject_sent);
  if (injected > taken - rest) injected = taken - rest;
  listener->rest_length = (uint16_t)(listener->rest_length - rest);
  listener->inject_sent = (uint16_t)(listener->inject_sent + injected);
  if (listener->inject_sent == listener->inject_length)
    listener->inject_sent = listener->inject_length = 0;
  taken -= injected;
  listener->sent += taken;
  listener->fanout->counters.sent_bytes += taken;
  listener->regain -= taken < listener->regain ? taken : listener->regain;
  listener->credit -= (double)taken;
  if (listener->credit < 0) listener->credit = 0;
  taken -= rest;
  listener->position += taken;
  keep_rest(listener, offer, taken);
}

static void record_lag(weir__listener_t *listener) {
  weir_fanout_t *fanout = listener->fanout;
  if (fanout->options.byte_rate == 0) return;
  uint64_t lag = weir_log_head(fanout->log) - listener->position;
  double seconds = (double)lag / (double)fanout->options.byte_rate;
  weir_histogram_record(&fanout->lag, (uint64_t)(seconds * 1e9));
}

/* What became of a write. */
typedef struct weir__written {
  int64_t result; /* what the sink returned */
  size_t body;    /* bytes of the offer that it took */
  int is_whole;   /* it took all that it was given */
} weir__written_t;

static int64_t write_pieces(weir__listener_t *listener, const struct iovec *iov,
                            int count) {
  listener->fanout->counters.writes++;
  return listener->sink->write(listener->sink_context, listener->fd, iov,
                               count);
}

static weir__written_t write_framed(weir__listener_t *listener,
                                    const weir__offer_t *offer) {
  weir__wire_t wire;
  weir__title_t *title = listener->fanout->title;
  weir__framing_wrap(listener->framing, title, offer->iov, offer->count, &wire);
  int64_t n = write_pieces(listener, wire.iov, wire.count);
  if (n <= 0 || listener->ended) return (weir__written_t){n, 0, 0};
  return (weir__written_t){
      n, weir__framing_taken(listener->framing, title, &wire, (size_t)n),
      (size_t)n == wire.length};
}

static weir__written_t write_offer(weir__listener_t *listener,
                                   const weir__offer_t *offer) {
  if (listener->framing != NULL) return write_framed(listener, offer);
  int64_t n = write_pieces(listener, offer->iov, offer->count);
  size_t taken = n > 0 ? (size_t)n : 0;
  return (weir__written_t){n, taken, taken == offer->length};
}

static int has_pending_framing(const weir__listener_t *listener) {
  return listener->framing != NULL &&
         weir__framing_is_pending(listener->framing);
}

/* What its sink accepted and holds goes first: 0 when nothing is held. */
static int flush_sink(weir__listener_t *listener) {
  const weir_sink_t *sink = listener->sink;
  if (sink->flush == NULL) return 0;
  return sink->flush(listener->sink_context, listener->fd);
}

static int has_caught_up(const weir__listener_t *listener) {
  return listener->rest_length == 0 && listener->preamble == NULL &&
         !has_pending_framing(listener) &&
         listener->position == weir_log_head(listener->fanout->log);
}

/* There is more for it, which its pace does not allow yet. */
static int is_held_back(const weir__listener_t *listener) {
  return listener->position < weir_log_head(listener->fanout->log) &&
         most(listener) == 0;
}

static weir__flush_t watch(weir__listener_t *listener, int blocked,
                           weir__flush_t result) {
  int error = weir__listener_watch(listener, blocked);
  if (error == 0) return result;
  weir__listener_end(listener, WEIR_END_ERROR, error);
  return WEIR__FLUSH_ENDED;
}

/* Everything was taken. */
static weir__flush_t settle(weir__listener_t *listener, weir__flush_t result) {
  listener->at_head = 1;
  listener->allowance = 0;
  listener->pace = 0;
  /* What it took since a skip may lie in its socket: only more than that holds
   * shows that it reads. */
  if (listener->regain == 0) listener->behind = 0;
  return watch(listener, 0, result);
}

/* The socket took less than it was offered. */
static weir__flush_t wait_for_room(weir__listener_t *listener, int refused) {
  /* A sink that refuses although its descriptor is writable (TLS that waits
   * for its peer) is asked again a window later, not at every turn. */
  int blocked = !(refused && listener->woken);
  listener->woken = 0;
  return watch(listener, blocked, WEIR__FLUSH_PENDING);
}

/* There is nothing for it; its sink held the last of what it took until now,
 * or did not. */
static weir__flush_t rest(weir__listener_t *listener, int was_holding,
                          uint64_t now) {
  if (is_held_back(listener)) {
    listener->progress = now; /* by us, and not by its socket */
    return watch(listener, 0, WEIR__FLUSH_DONE);
  }
  if (listener->disk_since != 0) return watch(listener, 0, WEIR__FLUSH_PENDING);
  if (was_holding) {
    listener->progress = now;
    return settle(listener, WEIR__FLUSH_DONE);
  }
  return listener->at_head ? settle(listener, WEIR__FLUSH_IDLE)
                           : watch(listener, 0, WEIR__FLUSH_LAPPED);
}

weir__flush_t weir__listener_send(weir__listener_t *listener, uint64_t now) {
  /* Not of all at once when the window changes: a thousand system calls. */
  if (listener->bounds != listener->fanout->bounds)
    weir__listener_bound(listener);
  int held = flush_sink(listener);
  if (held == 1) listener->progress = now;
  if (held == 1 || held == UV_EAGAIN) return wait_for_room(listener, held < 0);
  if (held < 0) {
    weir__listener_fail(listener, held);
    return WEIR__FLUSH_ENDED;
  }
  int was_holding = listener->holding;
  listener->holding = 0;
  weir__offer_t offer = {.count = 0};
  fill_offer(listener, &offer, now);
  if (offer.length == 0 && !has_pending_framing(listener))
    return rest(listener, was_holding, now);
  listener->at_head = 0;
  record_lag(listener);
  weir__written_t written = write_offer(listener, &offer);
  int64_t n = written.result;
  if (listener->ended) return WEIR__FLUSH_ENDED; /* by its sink */
  if (n < 0 && n != UV_EAGAIN) {
    weir__listener_fail(listener, (int)n);
    return WEIR__FLUSH_ENDED;
  }
  if (n <= 0) return wait_for_room(listener, 1);
  listener->progress = now;
  account(listener, &offer, written.body);
  if (!written.is_whole) return wait_for_room(listener, 0);
  if (flush_sink(listener) != 0) {
    listener->holding = (uint8_t)has_caught_up(listener);
    return wait_for_room(listener, 0);
  }
  listener->woken = 0;
  if (has_caught_up(listener)) return settle(listener, WEIR__FLUSH_DONE);
  return is_held_back(listener) ? watch(listener, 0, WEIR__FLUSH_DONE)
                                : WEIR__FLUSH_MORE;
}
