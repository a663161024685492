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

/* What one write offers: the preamble, the rest of a unit, the log. */
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

static void fill_offer(weir__listener_t *listener, weir__offer_t *offer) {
  weir_fanout_t *fanout = listener->fanout;
  uint32_t unit = weir_log_unit(fanout->log);
  if (listener->preamble != NULL)
    offer_bytes(offer, listener->preamble + listener->preamble_sent,
                (size_t)(listener->preamble_length - listener->preamble_sent));
  offer_bytes(offer, listener->rest + unit - listener->rest_length,
              listener->rest_length);

  size_t limit = (size_t)weir_log_align(fanout->log, WEIR_FANOUT_SEND_MAX);
  if (listener->transform != WEIR_TRANSFORM_NONE) {
    const uint8_t *bytes;
    offer->log =
        weir__fanout_transformed(fanout, (weir_transform_t)listener->transform,
                                 listener->position, limit, &bytes);
    offer_bytes(offer, bytes, offer->log);
    return;
  }
  struct iovec iov[2];
  int pieces;
  int64_t length =
      weir_log_peek(fanout->log, listener->position, limit, iov, &pieces);
  if (length <= 0) return;
  offer->log = (size_t)length;
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
  listener->sent += taken;
  listener->fanout->counters.sent_bytes += taken;
  listener->regain -= taken < listener->regain ? taken : listener->regain;
  size_t rest = taken < listener->rest_length ? taken : listener->rest_length;
  listener->rest_length = (uint16_t)(listener->rest_length - rest);
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

static int64_t write_offer(weir__listener_t *listener,
                           const weir__offer_t *offer) {
  listener->fanout->counters.writes++;
  return listener->sink->write(listener->sink_context, listener->fd, offer->iov,
                               offer->count);
}

static int has_caught_up(const weir__listener_t *listener) {
  return listener->rest_length == 0 && listener->preamble == NULL &&
         listener->position == weir_log_head(listener->fanout->log);
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

weir__flush_t weir__listener_send(weir__listener_t *listener, uint64_t now) {
  weir__offer_t offer = {.count = 0};
  fill_offer(listener, &offer);
  if (offer.length == 0)
    return listener->at_head ? settle(listener, WEIR__FLUSH_IDLE)
                             : watch(listener, 0, WEIR__FLUSH_LAPPED);
  listener->at_head = 0;
  record_lag(listener);
  int64_t n = write_offer(listener, &offer);
  if (listener->ended) return WEIR__FLUSH_ENDED; /* by its sink */
  if (n < 0 && n != UV_EAGAIN) {
    weir__listener_fail(listener, (int)n);
    return WEIR__FLUSH_ENDED;
  }
  if (n <= 0) return wait_for_room(listener, 1);
  listener->progress = now;
  account(listener, &offer, (size_t)n);
  if ((size_t)n < offer.length) return wait_for_room(listener, 0);
  listener->woken = 0;
  return has_caught_up(listener) ? settle(listener, WEIR__FLUSH_DONE)
                                 : WEIR__FLUSH_MORE;
}
