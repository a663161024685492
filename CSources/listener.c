/*
 * listener.c - one listener of a fan-out.
 *
 * A flush looks at the log from the listener's position to its head and makes
 * one write of it. Nothing is kept of what the socket refused, but the end of
 * a unit that it cut: that is copied and goes first next time, before any
 * skip, so that what a listener receives is whole units whatever it loses.
 */
#include "listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "allocation.h"
#include "fanout_state.h"
#include "weir/errors.h"

/* How much a peer may have sent us that is read away before closing, so that
 * the kernel ends the connection instead of resetting it. Bytes. */
#define CLOSE_DRAIN 65536u

/* At most one skip report a listener in this time, ns. */
#define REPORT_INTERVAL 1000000000ull

static int64_t plain_write(int fd, const struct iovec *iov, int count) {
  ssize_t n;
  do {
    if (count == 1) {
      n = send(fd, iov[0].iov_base, iov[0].iov_len,
               MSG_DONTWAIT | MSG_NOSIGNAL);
    } else {
      struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                               .msg_iovlen = (size_t)count};
      n = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
  } while (n < 0 && errno == EINTR);
  return n < 0 ? uv_translate_sys_error(errno) : n;
}

static void plain_close(int fd, int clean) {
  if (clean) {
    char bytes[4096];
    (void)shutdown(fd, SHUT_WR);
    for (size_t drained = 0; drained < CLOSE_DRAIN;) {
      ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
      if (n <= 0) break;
      drained += (size_t)n;
    }
  }
  (void)close(fd);
}

weir_listener_info_t weir__listener_info(const weir__listener_t *listener) {
  uint64_t head = weir_log_head(listener->fanout->log);
  uint64_t position = listener->position - listener->rest_length;
  return (weir_listener_info_t){
      .id = listener->id,
      .label = listener->label,
      .data = listener->data,
      .since = listener->since,
      .position = position,
      .lag = head - position,
      .sent_bytes = listener->sent,
      .skipped_bytes = listener->skipped,
      .skips = listener->skips,
  };
}

void weir__listener_bound(weir__listener_t *listener) {
  const weir_fanout_t *fanout = listener->fanout;
  double seconds = ((double)fanout->options.window + 100e6) / 1e9;
  double wanted = 2.0 * (double)fanout->options.byte_rate * seconds;
  int bytes = (int)WEIR__FANOUT_MIN_BUFFER;
  if (wanted > bytes)
    bytes = wanted < WEIR__FANOUT_MAX_BUFFER ? (int)wanted
                                             : (int)WEIR__FANOUT_MAX_BUFFER;
  /* Best effort: a sink may sit on a socket that knows neither. */
  (void)setsockopt(listener->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

/* ---- ending ---- */

static void release_preamble(weir__listener_t *listener) {
  weir__release(&listener->fanout->allocator, listener->preamble,
                listener->preamble_length);
  listener->preamble = NULL;
}

void weir__listener_discard(weir__listener_t *listener) {
  weir_fanout_t *fanout = listener->fanout;
  release_preamble(listener);
  weir__release(&fanout->allocator, listener,
                weir_fanout_listener_bytes(fanout));
}

static void on_poll_closed(uv_handle_t *handle) {
  weir__listener_t *listener = handle->data;
  weir_fanout_t *fanout = listener->fanout;
  weir__listener_discard(listener);
  weir__fanout_handle_closed(fanout);
}

void weir__listener_abandon(weir__listener_t *listener) {
  listener->ended = 1;
  uv_close((uv_handle_t *)&listener->poll, on_poll_closed);
}

void weir__listener_end(weir__listener_t *listener, weir_end_reason_t reason,
                        int error) {
  weir_fanout_t *fanout = listener->fanout;
  if (listener->ended) return;
  listener->ended = 1;
  weir_listener_info_t info = weir__listener_info(listener);

  if (fanout->upcoming == &listener->link)
    fanout->upcoming = listener->link.next;
  if (listener->slot == WEIR__LISTENER_JOINING)
    weir__link_remove(&listener->link);
  else
    weir__phase_remove(&fanout->phase, &listener->link, listener->slot);
  fanout->counters.listeners--;
  fanout->counters.ended[reason]++;
  release_preamble(listener);

  /* Polling stops before the descriptor goes: its number may be reused. */
  uv_close((uv_handle_t *)&listener->poll, on_poll_closed);
  int clean = reason != WEIR_END_ERROR && reason != WEIR_END_CLOSED;
  if (listener->sink != NULL)
    listener->sink->close(listener->sink_context, listener->fd, clean);
  else
    plain_close(listener->fd, clean);
  listener->fd = -1;

  if (fanout->options.on_end != NULL)
    fanout->options.on_end(fanout, &info, reason, error);
}

static void end_by_error(weir__listener_t *listener, int error) {
  int peer_left = error == UV_EPIPE || error == UV_ECONNRESET;
  weir__listener_end(listener, peer_left ? WEIR_END_CLOSED : WEIR_END_ERROR,
                     error);
}

/* ---- watching ---- */

static void on_poll(uv_poll_t *poll, int status, int events) {
  weir__listener_t *listener = poll->data;
  if (listener->ended) return;
  if (status < 0) {
    int error = 0;
    socklen_t length = sizeof error;
    (void)getsockopt(listener->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    end_by_error(listener,
                 error != 0 ? uv_translate_sys_error(error) : UV_ECONNRESET);
    return;
  }
  if (events & UV_DISCONNECT) {
    /* The peer has closed at least its side. A live response never ends by
     * itself, so on a quiet station nothing else would ever tell. */
    weir__listener_end(listener, WEIR_END_CLOSED, 0);
    return;
  }
  if (events & UV_WRITABLE) {
    listener->blocked = 0;
    uint64_t now = weir__fanout_now(listener->fanout);
    weir__flush_t result = weir__listener_flush(listener, now);
    if (result == WEIR__FLUSH_IDLE || result == WEIR__FLUSH_DONE)
      (void)weir__listener_watch(listener, 0);
  }
}

int weir__listener_watch(weir__listener_t *listener, int blocked) {
  int events = UV_DISCONNECT | (blocked ? UV_WRITABLE : 0);
  listener->blocked = (uint8_t)blocked;
  if (listener->watched == events) return 0;
  listener->watched = (uint8_t)events;
  return uv_poll_start(&listener->poll, events, on_poll);
}

/* ---- policies ---- */

static void report_skip(weir__listener_t *listener, uint64_t now) {
  weir_fanout_t *fanout = listener->fanout;
  if (fanout->options.on_skip == NULL || listener->told == listener->skips)
    return;
  if (listener->reported != 0 && now - listener->reported < REPORT_INTERVAL)
    return;
  listener->reported = now;
  listener->told = listener->skips;
  weir_listener_info_t info = weir__listener_info(listener);
  fanout->options.on_skip(fanout, &info);
}

static void skip_to_head(weir__listener_t *listener, uint64_t now) {
  weir_fanout_t *fanout = listener->fanout;
  uint64_t head = weir_log_head(fanout->log);
  uint64_t lost = head - listener->position;
  listener->position = head;
  listener->skipped += lost;
  listener->skips++;
  fanout->counters.skipped_bytes += lost;
  fanout->counters.skips++;
  if (listener->behind == 0) listener->behind = now;
}

/* Deals with a listener that lags. Returns 1 when it was ended. */
static int apply_policy(weir__listener_t *listener, uint64_t now) {
  weir_fanout_t *fanout = listener->fanout;
  const weir_fanout_options_t *options = &fanout->options;
  uint64_t tail = weir_log_tail(fanout->log);
  uint64_t lag = weir_log_head(fanout->log) - listener->position;

  if (options->policy == WEIR_SLOW_DISCONNECT &&
      (listener->position < tail || lag > options->max_lag)) {
    weir__listener_end(listener, WEIR_END_LAG, 0);
    return 1;
  }
  if (listener->position < tail) skip_to_head(listener, now);
  if (fanout->held && listener->behind == 0 &&
      lag > weir_log_capacity(fanout->log) / 2)
    listener->behind = now; /* the source waits for this one */
  return 0;
}

/* Ends a listener that has been blocked or behind for too long. */
static int apply_timeout(weir__listener_t *listener, uint64_t now) {
  uint64_t timeout = listener->fanout->options.timeout;
  if (now - listener->progress >= timeout) {
    weir__listener_end(listener, WEIR_END_STALLED, 0);
    return 1;
  }
  if (listener->behind != 0 && now - listener->behind >= timeout) {
    weir__listener_end(listener, WEIR_END_LAG, 0);
    return 1;
  }
  return 0;
}

/* ---- sending ---- */

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

  struct iovec iov[2];
  int pieces;
  size_t limit = (size_t)weir_log_align(fanout->log, WEIR_FANOUT_SEND_MAX);
  int64_t length =
      weir_log_peek(fanout->log, listener->position, limit, iov, &pieces);
  if (length <= 0) return;
  offer->log = (size_t)length;
  if (listener->transform != WEIR_TRANSFORM_NONE) {
    const uint8_t *bytes;
    offer->log =
        weir__fanout_transformed(fanout, (weir_transform_t)listener->transform,
                                 listener->position, offer->log, &bytes);
    offer_bytes(offer, bytes, offer->log);
    return;
  }
  for (int i = 0; i < pieces; i++)
    offer_bytes(offer, iov[i].iov_base, iov[i].iov_len);
}

/* Keeps the end of the unit that a write of `log` bytes cut in two. */
static void keep_rest(weir__listener_t *listener, const weir__offer_t *offer,
                      size_t taken) {
  uint32_t unit = weir_log_unit(listener->fanout->log);
  uint32_t part = (uint32_t)(taken % unit);
  if (part == 0) return;
  /* The log's bytes are the last pieces of the offer. */
  size_t from_end = offer->log - taken;
  uint32_t missing = unit - part;
  for (uint32_t copied = 0; copied < missing;) {
    size_t back = from_end - copied;
    int i = offer->count - 1;
    while (back > offer->iov[i].iov_len) {
      back -= offer->iov[i].iov_len;
      i--;
    }
    size_t run = back < missing - copied ? back : missing - copied;
    const uint8_t *end =
        (const uint8_t *)offer->iov[i].iov_base + offer->iov[i].iov_len;
    memcpy(listener->rest + part + copied, end - back, run);
    copied += (uint32_t)run;
  }
  listener->rest_length = (uint16_t)missing;
  listener->position += missing;
}

static void account(weir__listener_t *listener, const weir__offer_t *offer,
                    size_t taken) {
  if (listener->preamble != NULL) {
    size_t left = (size_t)listener->preamble_length - listener->preamble_sent;
    size_t part = taken < left ? taken : left;
    listener->preamble_sent = (uint16_t)(listener->preamble_sent + part);
    taken -= part;
    if (part == left) release_preamble(listener);
  }
  listener->sent += taken;
  listener->fanout->counters.sent_bytes += taken;
  size_t part = taken < listener->rest_length ? taken : listener->rest_length;
  listener->rest_length = (uint16_t)(listener->rest_length - part);
  taken -= part;
  listener->position += taken;
  keep_rest(listener, offer, taken);
}

weir__flush_t weir__listener_flush(weir__listener_t *listener, uint64_t now) {
  weir_fanout_t *fanout = listener->fanout;
  if (apply_policy(listener, now)) return WEIR__FLUSH_ENDED;

  weir__flush_t result = WEIR__FLUSH_PENDING;
  if (!listener->blocked) {
    weir__offer_t offer = {.count = 0};
    uint64_t lag = weir_log_head(fanout->log) - listener->position;
    fill_offer(listener, &offer);
    int64_t n = 0;
    if (offer.length > 0) {
      fanout->counters.writes++;
      if (fanout->options.byte_rate > 0)
        weir_histogram_record(
            &fanout->lag,
            (uint64_t)((double)lag * 1e9 / (double)fanout->options.byte_rate));
      n = listener->sink != NULL
              ? listener->sink->write(listener->sink_context, listener->fd,
                                      offer.iov, offer.count)
              : plain_write(listener->fd, offer.iov, offer.count);
      if (n < 0 && n != UV_EAGAIN) {
        end_by_error(listener, (int)n);
        return WEIR__FLUSH_ENDED;
      }
      if (n > 0) {
        account(listener, &offer, (size_t)n);
        listener->progress = now;
      }
    }
    int caught_up = listener->rest_length == 0 && listener->preamble == NULL &&
                    listener->position == weir_log_head(fanout->log);
    if (caught_up) {
      listener->progress = now;
      listener->behind = 0;
      result = offer.length > 0 ? WEIR__FLUSH_DONE : WEIR__FLUSH_IDLE;
    } else {
      int error = weir__listener_watch(listener, 1);
      if (error < 0) {
        weir__listener_end(listener, WEIR_END_ERROR, error);
        return WEIR__FLUSH_ENDED;
      }
    }
  }
  if (result == WEIR__FLUSH_PENDING && apply_timeout(listener, now))
    return WEIR__FLUSH_ENDED;
  report_skip(listener, now);
  /* The callback may have ended it. */
  return listener->ended ? WEIR__FLUSH_ENDED : result;
}
