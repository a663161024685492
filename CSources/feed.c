/*
 * feed.c - one log written from another.
 *
 * The bytes are copied as the other log grows, from within the call that says
 * so: they lie in its ring, and are not looked at any later. What is more than
 * one turn of the loop may write is left there for the next.
 */
#include "weir/feed.h"

#include <string.h>

#include "allocation.h"
#include "fanout_state.h"
#include "options.h"
#include "weir/errors.h"
#include "weir/source.h"

#define FEED_MAGIC 0x57454644u
/* What a scanner may hand over beyond what it was given, as it held it back. */
#define HELD_BACK 8192u

struct weir_feed {
  weir__link_t link; /* first: among those that follow `from` */
  uint32_t magic;
  weir_feed_options_t options;
  weir_allocator_t allocator;
  void (*closed)(void *data);
  uint64_t position; /* of the log that it follows */
  uint64_t bytes;
  uint64_t skipped;
  uint8_t *preamble; /* NULL once it is written */
  uv_idle_t idle;    /* runs while something is left to the next turn */
  uint8_t writing;
  uint8_t resting; /* until the loop has turned */
  uint8_t started;
  uint8_t closing;
};

/* ---- writing ---- */

static weir_log_t *source_of(const weir_feed_t *feed) {
  return feed->options.from->log;
}

/* What one turn of the loop may write: as much as a source. */
static size_t budget(const weir_feed_t *feed) {
  size_t quarter = weir_log_capacity(feed->options.to->log) / 4;
  size_t most = quarter < WEIR_SOURCE_READ_MAX ? quarter : WEIR_SOURCE_READ_MAX;
  size_t unit = weir_log_unit(feed->options.to->log);
  return most > unit ? most : unit;
}

static void put(weir_feed_t *feed, const void *bytes, size_t length) {
  if (feed->options.track == NULL)
    weir_log_append(feed->options.to->log, bytes, length);
  else if (weir_track_push(feed->options.track, bytes, length) < 0)
    /* They are packets, and were found to be: it looks for them anew. */
    weir_track_gap(feed->options.track);
}

static void release_preamble(weir_feed_t *feed) {
  weir__release(&feed->allocator, feed->preamble,
                feed->options.preamble_length);
  feed->preamble = NULL;
}

/* The log has moved on beyond what it keeps in memory. */
static void catch_up(weir_feed_t *feed) {
  uint64_t head = weir_log_head(source_of(feed));
  if (feed->position >= weir_log_ring_tail(source_of(feed))) return;
  release_preamble(feed); /* of another place */
  feed->skipped += head - feed->position;
  feed->position = head;
  if (feed->options.track != NULL) weir_track_gap(feed->options.track);
}

/* How much of `wanted` may be written now, whole units; 0: somebody is waited
 * for. */
static size_t room_for(weir_feed_t *feed, size_t wanted) {
  weir_fanout_t *to = feed->options.to;
  size_t held_back = feed->options.track != NULL ? HELD_BACK : 0;
  uint64_t room = weir_fanout_room(to, wanted + held_back);
  if (room == 0) return 0;
  room = room > held_back ? room - held_back : room;
  if (wanted > room) wanted = (size_t)room;
  return wanted - wanted % weir_log_unit(to->log);
}

/* Copies what there is, `most` bytes at most. Returns how many. */
static size_t copy(weir_feed_t *feed, size_t most) {
  catch_up(feed);
  uint64_t there = weir_log_head(source_of(feed)) - feed->position;
  size_t wanted = there < most ? (size_t)there : most;
  wanted -= wanted % weir_log_unit(source_of(feed));
  if (wanted > 0) wanted = room_for(feed, wanted);
  if (wanted == 0 || feed->closing) return 0;
  if (feed->preamble != NULL) {
    put(feed, feed->preamble, feed->options.preamble_length);
    release_preamble(feed);
  }
  struct iovec iov[2];
  int pieces;
  int64_t length =
      weir_log_peek(source_of(feed), feed->position, wanted, iov, &pieces);
  for (int i = 0; i < pieces; i++)
    put(feed, iov[i].iov_base, iov[i].iov_len);
  feed->position += (uint64_t)length;
  feed->bytes += (uint64_t)length;
  return (size_t)length;
}

/* The first call after a hold has ended comes before the loop has looked at
 * any descriptor; at the second a writer that has bytes has written them. */
static void on_idle(uv_idle_t *idle) {
  weir_feed_t *feed = idle->data;
  if (feed->resting && --feed->resting > 0) return;
  (void)uv_idle_stop(idle);
  weir_feed_turn(feed);
}

void weir__feed_rest(weir_feed_t *feed) {
  if (feed->closing) return;
  feed->resting = 2;
  (void)uv_idle_start(&feed->idle, on_idle);
}

void weir_feed_turn(weir_feed_t *feed) {
  if (feed->writing || feed->closing || feed->resting) return;
  feed->writing = 1;
  uint64_t head = weir_log_head(feed->options.to->log);
  size_t copied = copy(feed, budget(feed));
  int has_grown = weir_log_head(feed->options.to->log) > head;
  if (has_grown) weir_fanout_published(feed->options.to);
  if (has_grown && !feed->started && !feed->closing) {
    feed->started = 1;
    if (feed->options.on_first != NULL) feed->options.on_first(feed);
  }
  feed->writing = 0;
  if (feed->closing || copied == 0) return;
  if (feed->position < weir_log_head(source_of(feed)))
    (void)uv_idle_start(&feed->idle, on_idle);
}

void weir__fanout_feed(weir_fanout_t *fanout) {
  weir__link_t round;
  weir__link_init(&round);
  weir__link_move(&fanout->followers, &round);
  /* Callbacks may close any of them, and open others. */
  while (!weir__link_is_empty(&round)) {
    weir__link_t *link = round.next;
    weir__link_remove(link);
    weir__link_append(&fanout->followers, link);
    weir_feed_turn((weir_feed_t *)link);
  }
}

/* ---- the handle ---- */

static int check(const weir_feed_options_t *options) {
  if (options->from == NULL || options->to == NULL ||
      options->from == options->to || options->from->closing ||
      options->to->closing)
    return WEIR_EOPTION;
  uint32_t unit = weir_log_unit(options->from->log);
  if (weir_log_unit(options->to->log) != unit ||
      (options->track != NULL && unit != WEIR_TS_PACKET) ||
      options->preamble_length > WEIR_FEED_PREAMBLE_MAX ||
      options->preamble_length % unit != 0 ||
      (options->preamble == NULL && options->preamble_length > 0))
    return WEIR_EOPTION;
  if (options->position == WEIR_FANOUT_NEWEST) return 0;
  if (options->position % unit != 0) return WEIR_EUNALIGNED;
  if (options->position > weir_log_head(options->from->log)) return WEIR_EAHEAD;
  return options->position < weir_log_ring_tail(options->from->log)
             ? WEIR_EBEHIND
             : 0;
}

static void release(weir_feed_t *feed) {
  release_preamble(feed);
  feed->magic = 0;
  weir__release(&feed->allocator, feed, sizeof *feed);
}

int weir_feed_open(uv_loop_t *loop, weir_feed_t **feed,
                   const weir_feed_options_t *given) {
  weir_feed_options_t options;
  int error = weir__options_read(&options, sizeof options, given,
                                 WEIR__OPTIONS_TO(weir_feed_options_t, data));
  if (error == 0) error = loop != NULL ? check(&options) : WEIR_EOPTION;
  if (error < 0) return error;
  weir_allocator_t allocator = weir__allocator(options.allocator);
  weir_feed_t *made = weir__allocate(&allocator, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->magic = FEED_MAGIC;
  made->allocator = allocator;
  made->options = options;
  made->position = options.position == WEIR_FANOUT_NEWEST
                       ? weir_log_head(options.from->log)
                       : options.position;
  if (options.preamble_length > 0) {
    made->preamble = weir__allocate(&allocator, options.preamble_length);
    if (made->preamble == NULL) {
      release(made);
      return UV_ENOMEM;
    }
    memcpy(made->preamble, options.preamble, options.preamble_length);
  }
  if (options.track != NULL) weir_track_gap(options.track);
  (void)uv_idle_init(loop, &made->idle);
  made->idle.data = made;
  (void)uv_idle_start(&made->idle, on_idle);
  uv_unref((uv_handle_t *)&made->idle);
  weir__link_append(&options.from->followers, &made->link);
  options.to->fed_by = made;
  *feed = made;
  return 0;
}

static void on_closed(uv_handle_t *handle) {
  weir_feed_t *feed = handle->data;
  void (*closed)(void *) = feed->closed;
  void *data = feed->options.data;
  release(feed);
  if (closed != NULL) closed(data);
}

void weir_feed_close(weir_feed_t *feed, void (*closed)(void *data)) {
  if (feed == NULL || feed->magic != FEED_MAGIC || feed->closing) return;
  feed->closing = 1;
  feed->closed = closed;
  weir__link_remove(&feed->link);
  if (feed->options.to->fed_by == feed) feed->options.to->fed_by = NULL;
  uv_close((uv_handle_t *)&feed->idle, on_closed);
}

/* ---- asking ---- */

uint64_t weir_feed_bytes(const weir_feed_t *feed) {
  return feed->bytes;
}

uint64_t weir_feed_skipped(const weir_feed_t *feed) {
  return feed->skipped;
}

void *weir_feed_data(const weir_feed_t *feed) {
  return feed->options.data;
}
