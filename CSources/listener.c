/*
 * listener.c - one listener of a fan-out: made, watched, judged, ended.
 *
 * Three clocks run against one that is slow: how far it lags, how long it has
 * not taken a byte, and how long it has been skipping or waited for.
 */
#include "listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "allocation.h"
#include "fanout_state.h"
#include "sink.h"
#include "weir/errors.h"

/* At most one skip report a listener in this time, ns. */
#define REPORT_INTERVAL 1000000000ull

/* ---- making ---- */

uint64_t weir__listener_buffer(const weir_fanout_t *fanout) {
  uint64_t window = weir_fanout_window(fanout) + 100000000u;
  double wanted =
      2.0 * (double)fanout->options.byte_rate * (double)window / 1e9;
  if (wanted < WEIR__FANOUT_MIN_BUFFER) return WEIR__FANOUT_MIN_BUFFER;
  if (wanted > WEIR__FANOUT_MAX_BUFFER) return WEIR__FANOUT_MAX_BUFFER;
  return (uint64_t)wanted;
}

void weir__listener_bound(weir__listener_t *listener) {
  listener->bounds = listener->fanout->bounds;
  int bytes = (int)weir__listener_buffer(listener->fanout);
  /* Best effort: a sink may sit on a socket that knows none. */
  (void)setsockopt(listener->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

/* Each write is what is due now: nothing follows that it should wait for. */
static void send_at_once(const weir__listener_t *listener) {
  int on = 1;
  (void)setsockopt(listener->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void release_preamble(weir__listener_t *listener) {
  weir__release(&listener->fanout->allocator, listener->preamble,
                listener->preamble_length);
  listener->preamble = NULL;
}

static void discard(weir__listener_t *listener) {
  weir_fanout_t *fanout = listener->fanout;
  release_preamble(listener);
  if (listener->framing != NULL) weir__title_release(listener->framing->told);
  weir__release(&fanout->allocator, listener->framing,
                sizeof *listener->framing);
  weir__release(&fanout->allocator, listener,
                weir_fanout_listener_bytes(fanout));
}

static void on_poll_closed(uv_handle_t *handle) {
  weir__listener_t *listener = handle->data;
  weir_fanout_t *fanout = listener->fanout;
  discard(listener);
  weir__fanout_handle_closed(fanout);
}

static int copy_preamble(weir__listener_t *listener,
                         const weir_listener_options_t *options) {
  if (options->preamble_length == 0) return 0;
  listener->preamble =
      weir__allocate(&listener->fanout->allocator, options->preamble_length);
  if (listener->preamble == NULL) return UV_ENOMEM;
  memcpy(listener->preamble, options->preamble, options->preamble_length);
  listener->preamble_length = (uint16_t)options->preamble_length;
  return 0;
}

static int make_framing(weir__listener_t *listener,
                        const weir_listener_options_t *options) {
  if (!options->chunked && options->icy_interval == 0) return 0;
  weir__framing_t *made =
      weir__allocate(&listener->fanout->allocator, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->plain = options->head_length;
  made->interval = made->until = options->icy_interval;
  made->chunked = options->chunked != 0;
  listener->framing = made;
  return 0;
}

static void describe(weir__listener_t *listener,
                     const weir_listener_options_t *options) {
  uint64_t head = weir_log_head(listener->fanout->log);
  listener->fd = options->fd;
  listener->sink = options->sink != NULL ? options->sink : &weir__plain_sink;
  listener->sink_context = options->sink_context;
  listener->data = options->data;
  listener->transform = (uint8_t)options->transform;
  listener->slot = WEIR__LISTENER_NO_SLOT;
  listener->since = weir__fanout_now(listener->fanout);
  listener->progress = listener->seen = listener->since;
  listener->position =
      options->position == WEIR_FANOUT_NEWEST ? head : options->position;
  listener->allowance = head - listener->position;
  listener->pace = listener->allowance > 0 ? options->pace : 0;
  listener->credit = (double)options->free;
  listener->at_head = listener->allowance == 0 && options->preamble_length == 0;
  if (options->label != NULL)
    strncpy(listener->label, options->label, WEIR_FANOUT_LABEL_MAX);
}

int weir__listener_make(weir_fanout_t *fanout, weir__listener_t **listener,
                        const weir_listener_options_t *options) {
  weir__listener_t *made =
      weir__allocate(&fanout->allocator, weir_fanout_listener_bytes(fanout));
  if (made == NULL) return UV_ENOMEM;
  made->fanout = fanout;
  weir__link_init(&made->link);
  weir__link_init(&made->waiter.link);
  made->waiter.ready = weir__listener_on_disk;
  describe(made, options);
  int error = copy_preamble(made, options);
  if (error == 0) error = make_framing(made, options);
  if (error == 0) error = uv_poll_init(fanout->loop, &made->poll, made->fd);
  if (error < 0) {
    discard(made);
    return error;
  }
  made->poll.data = made;
  uv_unref((uv_handle_t *)&made->poll);
  fanout->handles++;
  error = weir__listener_watch(made, 0);
  if (error < 0) {
    uv_close((uv_handle_t *)&made->poll, on_poll_closed);
    return error;
  }
  weir__listener_bound(made);
  send_at_once(made);
  *listener = made;
  return 0;
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

/* ---- ending ---- */

/* The last chunk, if its socket takes that at once. */
static void end_body(weir__listener_t *listener) {
  if (listener->framing == NULL || listener->rest_length > 0) return;
  struct iovec end = weir__framing_end(listener->framing);
  if (end.iov_len == 0) return;
  (void)listener->sink->write(listener->sink_context, listener->fd, &end, 1);
}

void weir__listener_end(weir__listener_t *listener, weir_end_reason_t reason,
                        int error) {
  weir_fanout_t *fanout = listener->fanout;
  if (listener->ended) return;
  listener->ended = 1;
  weir_listener_info_t info = weir__listener_info(listener);
  weir__fanout_unlink(fanout, listener);
  weir__listener_leave_disk(listener);
  fanout->counters.listeners--;
  fanout->counters.ended[reason]++;
  if (fanout->held) weir__fanout_soon(fanout); /* perhaps it waited for this */
  int clean = reason != WEIR_END_ERROR && reason != WEIR_END_CLOSED;
  if (clean) end_body(listener);
  release_preamble(listener);

  /* Polling stops before the descriptor goes: its number may be reused. */
  uv_close((uv_handle_t *)&listener->poll, on_poll_closed);
  listener->sink->close(listener->sink_context, listener->fd, clean);
  listener->fd = -1;

  if (fanout->options.on_end != NULL)
    fanout->options.on_end(fanout, &info, reason, error);
}

void weir__listener_fail(weir__listener_t *listener, int error) {
  int peer_left = error == 0 || error == UV_EPIPE || error == UV_ECONNRESET;
  weir__listener_end(listener, peer_left ? WEIR_END_CLOSED : WEIR_END_ERROR,
                     error);
}

/* ---- watching ---- */

/* libuv reports an error of the descriptor as one of its own. */
static int socket_error(const weir__listener_t *listener) {
  int error = 0;
  socklen_t length = sizeof error;
  (void)getsockopt(listener->fd, SOL_SOCKET, SO_ERROR, &error, &length);
  return error != 0 ? uv_translate_sys_error(error) : UV_ECONNRESET;
}

/* A thousand may leave at once: each is ended in its turn, as it is served. */
static void leave(weir__listener_t *listener, int error) {
  listener->gone = 1;
  listener->error = error;
  listener->watched = 0;
  (void)uv_poll_stop(&listener->poll);
  weir__fanout_ready(listener->fanout, listener);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  weir__listener_t *listener = poll->data;
  if (status < 0) {
    leave(listener, socket_error(listener));
  } else if (events & UV_DISCONNECT) {
    /* The peer has closed at least its side. A live response never ends by
     * itself, so on a quiet station nothing else would ever tell. */
    leave(listener, 0);
  } else if (listener->blocked) {
    listener->blocked = 0;
    listener->woken = 1;
    weir__fanout_ready(listener->fanout, listener);
  }
}

int weir__listener_watch(weir__listener_t *listener, int blocked) {
  int events = UV_DISCONNECT | (blocked ? UV_WRITABLE : 0);
  listener->blocked = (uint8_t)blocked;
  if (listener->watched == events) return 0;
  int error = uv_poll_start(&listener->poll, events, on_poll);
  if (error == 0) listener->watched = (uint8_t)events;
  return error;
}

/* ---- judging ---- */

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

/* The unit that it alone is sent before the bytes at its new place. An earlier
 * skip's goes first if it was cut; one that is not begun has had its day. */
static void inject(weir__listener_t *listener, const weir_landing_t *landing) {
  weir_fanout_t *fanout = listener->fanout;
  uint32_t unit = weir_log_unit(fanout->log);
  uint8_t *bytes = listener->rest + unit;
  size_t left = (size_t)(listener->inject_length - listener->inject_sent);
  memmove(bytes, bytes + listener->inject_sent, left % unit);
  left %= unit;
  landing->inject(fanout->options.landing_context, listener->position,
                  bytes + left);
  listener->inject_length = (uint16_t)(left + unit);
  listener->inject_sent = 0;
}

/* Moves one that is behind everything. 0: there is nowhere to go yet. */
static int skip(weir__listener_t *listener, uint64_t now) {
  weir_fanout_t *fanout = listener->fanout;
  const weir_landing_t *landing = fanout->options.landing;
  uint64_t head = weir_log_head(fanout->log);
  uint64_t to = head;
  if (landing != NULL) to = landing->land(fanout->options.landing_context);
  if (to == UINT64_MAX) return 0;
  /* One that the disk made wait may be past the place. */
  if (to > head || to < weir_log_tail(fanout->log) || to < listener->position)
    to = head;
  uint64_t lost = to - listener->position;
  weir__listener_leave_disk(listener);
  listener->position = to;
  listener->at_head = 0; /* to be there by a skip is no merit */
  listener->holding = 0;
  listener->pace = 0; /* there is little left to be held back */
  if (listener->behind == 0) listener->behind = now;
  listener->skipped += lost;
  listener->skips++;
  fanout->counters.skipped_bytes += lost;
  fanout->counters.skips++;
  listener->regain = weir__listener_buffer(fanout);
  if (landing != NULL && landing->inject != NULL) inject(listener, landing);
  return 1;
}

static int lags_too_far(const weir__listener_t *listener) {
  const weir_fanout_options_t *options = &listener->fanout->options;
  if (options->policy != WEIR_SLOW_DISCONNECT || listener->pace > 0) return 0;
  uint64_t most = options->max_lag > listener->allowance ? options->max_lag
                                                         : listener->allowance;
  return weir_log_head(listener->fanout->log) - listener->position > most;
}

/* Since when the source has been waiting for it; UINT64_MAX: it is not. */
static uint64_t waited_for_since(const weir__listener_t *listener) {
  const weir_fanout_t *fanout = listener->fanout;
  uint64_t lag = weir_log_head(fanout->log) - listener->position;
  if (!fanout->held || lag <= weir_log_capacity(fanout->log) / 2)
    return UINT64_MAX;
  return listener->since > fanout->held_since ? listener->since
                                              : fanout->held_since;
}

/* A pass has one time for all: one who joined, or a hold that began, during it
 * is younger than that. */
static uint64_t elapsed(uint64_t since, uint64_t now) {
  return now > since ? now - since : 0;
}

/* Behind all that the log keeps, or all that a disk which hangs gives. */
static int is_lost(const weir__listener_t *listener, uint64_t now) {
  const weir_fanout_t *fanout = listener->fanout;
  return listener->position < weir_log_tail(fanout->log) ||
         (listener->disk_since != 0 &&
          elapsed(listener->disk_since, now) >= fanout->options.timeout);
}

/* Whether a listener that does not keep up is to be ended, and why. */
static int is_too_slow(const weir__listener_t *listener, uint64_t now,
                       weir_end_reason_t *reason) {
  uint64_t timeout = listener->fanout->options.timeout;
  uint64_t waited = waited_for_since(listener);
  *reason = WEIR_END_STALLED;
  if (elapsed(listener->progress, now) >= timeout) return 1;
  *reason = WEIR_END_LAG;
  if (listener->behind != 0 && elapsed(listener->behind, now) >= timeout)
    return 1;
  if (waited != UINT64_MAX && elapsed(waited, now) >= timeout) return 1;
  return lags_too_far(listener);
}

/* An orderly end: what its socket takes at once is still sent. */
static weir__flush_t finish(weir__listener_t *listener, uint64_t now) {
  listener->ending = 0; /* judged as ever meanwhile */
  listener->blocked = 0;
  weir__flush_t result;
  do
    result = weir__listener_flush(listener, now);
  while (result == WEIR__FLUSH_MORE);
  if (result != WEIR__FLUSH_ENDED)
    weir__listener_end(listener, (weir_end_reason_t)listener->reason, 0);
  return WEIR__FLUSH_ENDED;
}

/* What it may have by its pace, of which a second's worth, or a unit, is saved
 * up. */
static void earn(weir__listener_t *listener, uint64_t now) {
  double pace = (double)listener->pace;
  double unit = weir_log_unit(listener->fanout->log);
  double most = pace > unit ? pace : unit;
  if (listener->credit >= most) return;
  listener->credit += pace * (double)elapsed(listener->seen, now) / 1e9;
  if (listener->credit > most) listener->credit = most;
}

weir__flush_t weir__listener_flush(weir__listener_t *listener, uint64_t now) {
  weir_fanout_t *fanout = listener->fanout;
  if (listener->gone) {
    weir__listener_fail(listener, listener->error);
    return WEIR__FLUSH_ENDED;
  }
  if (listener->ending) return finish(listener, now);
  int waits = 0;
  if (is_lost(listener, now)) {
    if (fanout->options.policy == WEIR_SLOW_DISCONNECT) {
      weir__listener_end(listener, WEIR_END_LAG, 0);
      return WEIR__FLUSH_ENDED;
    }
    waits = !skip(listener, now);
  }
  if (listener->at_head || listener->disk_since != 0 || waits) {
    /* Until now there was nothing that it could have taken: neither clock
     * runs meanwhile. */
    listener->progress = now;
    if (listener->behind != 0) listener->behind += elapsed(listener->seen, now);
  }
  earn(listener, now);
  listener->seen = now;
  if (waits) return WEIR__FLUSH_LAPPED;

  weir__flush_t result = listener->blocked ? WEIR__FLUSH_PENDING
                                           : weir__listener_send(listener, now);
  if (result == WEIR__FLUSH_ENDED) return result;
  weir_end_reason_t reason;
  int keeps_up = result == WEIR__FLUSH_IDLE || result == WEIR__FLUSH_DONE ||
                 listener->disk_since != 0;
  if (!keeps_up && is_too_slow(listener, now, &reason)) {
    weir__listener_end(listener, reason, 0);
    return WEIR__FLUSH_ENDED;
  }
  report_skip(listener, now);
  return listener->ended ? WEIR__FLUSH_ENDED : result; /* by the callback */
}
