/* source.c - what the kinds of source have in common. */
#include "weir/source.h"

#include "allocation.h"
#include "fanout_state.h"
#include "file_clock.h"
#include "options.h"
#include "source_state.h"
#include "weir/errors.h"

#define SOURCE_OPTIONS_LEAST WEIR__OPTIONS_TO(weir_source_options_t, data)
/* What a scanner may hand over beyond what it was given, as it held it back. */
#define HELD_BACK 8192u

uint64_t weir__source_now(const weir_source_t *source) {
  if (source->own_clock)
    return source->options.clock(source->options.clock_context);
  return uv_hrtime();
}

static void on_room(void *context) {
  weir_source_t *source = context;
  if (!source->held_by_room) return;
  source->held_by_room = 0;
  if (!source->ended && !source->closing && !source->held)
    source->kind->go(source);
}

int weir__source_options(weir_source_options_t *options,
                         const weir_source_options_t *given) {
  int error =
      weir__options_read(options, sizeof *options, given, SOURCE_OPTIONS_LEAST);
  if (error < 0) return error;
  if (options->log == NULL || options->on_end == NULL) return WEIR_EOPTION;
  if (options->track != NULL) {
    if (weir_log_unit(options->log) != WEIR_TS_PACKET) return WEIR_EOPTION;
    options->detect_wav = 0;
  }
  if (options->pace == 0) options->pace = WEIR_SOURCE_PACE_NS;
  if (options->pace < WEIR_SOURCE_PACE_MIN_NS ||
      options->pace > WEIR_SOURCE_PACE_MAX_NS)
    return WEIR_EOPTION;
  return 0;
}

int weir__source_cannot_wait(const weir_source_options_t *options) {
  const weir_fanout_t *fanout = options->fanout;
  int must = fanout != NULL && fanout->options.policy == WEIR_SLOW_PAUSE;
  return must ? WEIR_EOPTION : 0;
}

int weir__source_make(uv_loop_t *loop, weir_source_t **source,
                      const weir_source_options_t *options,
                      const weir__source_kind_t *kind) {
  if (loop == NULL) return WEIR_EOPTION;
  weir_allocator_t allocator = weir__allocator(options->allocator);
  weir_source_t *made = weir__allocate(&allocator, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  made->magic = WEIR__SOURCE_MAGIC;
  made->loop = loop;
  made->kind = kind;
  made->options = *options;
  made->allocator = allocator;
  made->own_clock = options->clock != NULL;
  made->fd = -1;
  made->left = UINT64_MAX;
  made->last = weir__source_now(made);
  (void)uv_timer_init(loop, &made->timer);
  made->timer.data = made;
  uv_unref((uv_handle_t *)&made->timer);
  made->handles = 1;
  *source = made;
  return 0;
}

int weir__source_watch(weir_source_t *source, int fd) {
  int error = uv_poll_init(source->loop, &source->poll, fd);
  if (error < 0) return error;
  source->poll.data = source;
  uv_unref((uv_handle_t *)&source->poll);
  source->handles++;
  source->fd = fd;
  return 0;
}

void weir__source_begin(weir_source_t *source) {
  if (source->options.fanout != NULL)
    weir__fanout_set_writer(source->options.fanout, on_room, source);
}

/* ---- writing ---- */

void weir_source_yield(weir_source_t *source) {
  if (source->away || source->ended || source->closing) return;
  source->away = 1;
  source->started = 0;
  uint32_t begun = weir_log_trim(source->options.log);
  if (begun > 0) source->cut = weir_log_unit(source->options.log) - begun;
}

/* It has a byte: the log is its own again. */
static void come_back(weir_source_t *source) {
  if (!source->away) return;
  source->away = 0;
  if (source->options.on_return != NULL) source->options.on_return(source);
  if (source->options.track != NULL) weir_track_gap(source->options.track);
  weir__source_begin(source);
}

void weir__source_commit(weir_source_t *source, size_t bytes) {
  if (bytes > 0) come_back(source);
  (void)weir_log_commit(source->options.log, bytes);
  source->bytes += bytes;
}

/* Whatever came of it, the log has grown. */
static int count(weir_source_t *source, uint64_t head, int64_t result) {
  source->bytes += weir_log_head(source->options.log) - head;
  return result < 0 ? (int)result : 0;
}

int weir__source_push(weir_source_t *source, const void *bytes, size_t length) {
  if (length > 0) come_back(source);
  uint64_t head = weir_log_head(source->options.log);
  return count(source, head,
               weir_track_push(source->options.track, bytes, length));
}

int weir__source_finish(weir_source_t *source) {
  if (source->away) return 0; /* what is on its way is another's */
  uint64_t head = weir_log_head(source->options.log);
  return count(source, head, weir_track_end(source->options.track));
}

void weir__source_splice(weir_source_t *source) {
  if (source->away) return;
  uint64_t head = weir_log_head(source->options.log);
  weir_track_splice(source->options.track);
  (void)count(source, head, 0);
}

uint64_t weir__source_track_room(weir_source_t *source, uint64_t wanted) {
  uint64_t room = weir__source_room(source, wanted + HELD_BACK);
  if (room > HELD_BACK) room -= HELD_BACK;
  return room < wanted ? room : wanted;
}

size_t weir__source_budget(const weir_source_t *source) {
  size_t quarter = weir_log_capacity(source->options.log) / 4;
  return quarter < WEIR_SOURCE_READ_MAX ? quarter : WEIR_SOURCE_READ_MAX;
}

int weir__source_make_block(weir_source_t *source, int block) {
  uint8_t **bytes = &source->blocks[block].bytes;
  *bytes = weir__allocate(&source->allocator, WEIR_SOURCE_FILE_BLOCK);
  return *bytes != NULL ? 0 : UV_ENOMEM;
}

void weir__source_published(weir_source_t *source) {
  source->last = weir__source_now(source);
  if (source->options.fanout != NULL)
    weir_fanout_published(source->options.fanout);
  if (source->started || source->closing) return;
  source->started = 1;
  if (source->options.on_first != NULL) source->options.on_first(source);
}

int weir__source_is_held(const weir_source_t *source) {
  return source->held || source->held_by_room;
}

uint64_t weir__source_room(weir_source_t *source, uint64_t wanted) {
  if (weir__source_is_held(source)) return 0;
  if (source->options.fanout == NULL) return UINT64_MAX;
  uint64_t room = weir_fanout_room(source->options.fanout, wanted);
  if (room > 0) return room;
  /* on_hold may have closed the source, or ended the hold. */
  if (source->closing || !weir_fanout_is_held(source->options.fanout)) return 0;
  source->held_by_room = 1;
  source->kind->halt(source);
  return 0;
}

void weir_source_hold(weir_source_t *source, int hold) {
  if (source->held == (hold != 0) || source->closing) return;
  source->held = hold != 0;
  if (source->ended || source->held_by_room) return;
  if (source->held)
    source->kind->halt(source);
  else
    source->kind->go(source);
}

void weir_source_turn(weir_source_t *source) {
  if (source->ended || source->closing || weir__source_is_held(source)) return;
  source->kind->turn(source);
}

/* ---- another format ---- */

int weir__source_accept(weir_source_t *source,
                        const weir_pcm_format_t *format) {
  if (!weir_pcm_equal(format, &source->options.format)) {
    if (source->options.on_format == NULL) return WEIR_EFORMAT;
    int error = source->options.on_format(source, format);
    if (error < 0) return error;
    if (source->closing) return UV_ECANCELED;
    source->options.format = *format;
  }
  uint32_t unit = weir_log_unit(source->options.log);
  return unit == weir_pcm_frame_bytes(format) ? 0 : WEIR_EFORMAT;
}

void weir_source_set_log(weir_source_t *source, weir_log_t *log,
                         weir_fanout_t *fanout) {
  if (source->options.fanout != NULL)
    weir__fanout_clear_writer(source->options.fanout, source);
  source->options.log = log;
  source->options.fanout = fanout;
  weir__source_begin(source);
}

/* ---- ending ---- */

static void on_end_timer(uv_timer_t *timer) {
  weir_source_t *source = timer->data;
  source->options.on_end(source, source->status);
}

void weir__source_end(weir_source_t *source, int status) {
  if (source->ended || source->closing) return;
  source->kind->halt(source);
  source->ended = 1;
  source->status = status;
  (void)weir_log_trim(source->options.log);
  /* From the loop, so that the owner may close whatever it likes. */
  (void)uv_timer_start(&source->timer, on_end_timer, 0, 0);
}

static void free_source(weir_source_t *source) {
  void (*closed)(void *) = source->closed;
  void *data = source->options.data;
  const weir_allocator_t *allocator = &source->allocator;
  for (int i = 0; i < 2; i++)
    weir__release(allocator, source->blocks[i].bytes, WEIR_SOURCE_FILE_BLOCK);
  weir__release(allocator, source->header, WEIR_WAV_SCAN_MAX);
  weir__release(allocator, source->prefix, source->options.prefix_length);
  weir__release(allocator, source->icy, sizeof *source->icy);
  weir__file_clock_close(source->clock, allocator);
  weir__source_release_datagrams(source);
  source->magic = 0;
  weir__release(allocator, source, sizeof *source);
  if (closed != NULL) closed(data);
}

void weir__source_release(weir_source_t *source) {
  if (--source->handles == 0) free_source(source);
}

void weir__source_handle_closed(uv_handle_t *handle) {
  weir__source_release(handle->data);
}

static void start_closing(weir_source_t *source) {
  source->closing = 1;
  if (source->options.fanout != NULL)
    weir__fanout_clear_writer(source->options.fanout, source);
  uv_close((uv_handle_t *)&source->timer, weir__source_handle_closed);
}

void weir__source_discard(weir_source_t *source) {
  start_closing(source);
}

void weir_source_close(weir_source_t *source, void (*closed)(void *data)) {
  if (source == NULL || source->magic != WEIR__SOURCE_MAGIC || source->closing)
    return;
  source->closed = closed;
  /* Once it has ended the log may be another source's. */
  if (!source->ended) (void)weir_log_trim(source->options.log);
  source->kind->close(source);
  start_closing(source);
}

/* ---- pacing ---- */

void weir__source_pace_start(weir_source_t *source, uint64_t byte_rate) {
  source->byte_rate = byte_rate;
  source->epoch = weir__source_now(source);
  source->next_pace = source->epoch + source->options.pace;
  source->paced = 0;
}

uint64_t weir__source_pace_due(weir_source_t *source) {
  uint64_t elapsed = weir__source_now(source) - source->epoch;
  uint64_t frame = weir_log_unit(source->options.log);
  uint64_t total =
      (uint64_t)((double)elapsed * (double)source->byte_rate / 1e9);
  total -= total % frame;
  uint64_t due = total > source->paced ? total - source->paced : 0;
  double late = (double)due * 1e9 / (double)source->byte_rate;
  /* A whole step is always due, and that is not being late. */
  late -= (double)source->options.pace;
  if (late <= (double)WEIR__SOURCE_MAX_LATE) return due;
  /* The machine slept: go on from now instead of flooding. */
  weir__source_pace_start(source, source->byte_rate);
  return 0;
}

static void on_pace(uv_timer_t *timer) {
  weir_source_t *source = timer->data;
  source->kind->turn(source);
  if (!source->ended && !source->closing && !weir__source_is_held(source))
    weir__source_pace_arm(source);
}

void weir__source_pace_arm(weir_source_t *source) {
  if (source->own_clock) return;
  uint64_t now = uv_hrtime();
  while (source->next_pace <= now)
    source->next_pace += source->options.pace;
  /* The loop counts whole milliseconds of the same clock: the first that is
   * not before the time. */
  uv_update_time(source->loop);
  uint64_t at = (source->next_pace + 999999u) / 1000000u;
  now = uv_now(source->loop);
  (void)uv_timer_start(&source->timer, on_pace, at > now ? at - now : 0, 0);
}

/* ---- asking ---- */

uint64_t weir_source_bytes(const weir_source_t *source) {
  return source->bytes;
}

uint64_t weir_source_last(const weir_source_t *source) {
  return source->last;
}

void *weir_source_data(const weir_source_t *source) {
  return source->options.data;
}
