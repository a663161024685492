/*
 * source_fd.c - a source that reads a pipe, FIFO, socket or device.
 *
 * Reads go straight into the ring. Only while a WAV header is looked for are
 * they gathered aside; what follows the header then goes into the log first,
 * as the room for it allows. A transport stream is read into a block and goes
 * through its track. Chunks, titles and the other order of bytes are undone in
 * the memory that was read into. A reader that stands between says what is
 * waited for, and may have bytes left when the descriptor has none.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocation.h"
#include "source_state.h"
#include "weir/errors.h"

#define READ_STEP   65536u /* bytes asked of one read */
#define HEADER_STEP 4096u  /* the same while a header is looked for */

static void put(weir_source_t *source, uint8_t *memory, size_t bytes) {
  /* What is left of a unit that was taken back goes first. */
  size_t cut = source->cut < bytes ? source->cut : bytes;
  if (cut > 0) memmove(memory, memory + cut, bytes - cut);
  source->cut -= (uint32_t)cut;
  weir__source_commit(source, bytes - cut);
  if (source->left != UINT64_MAX) source->left -= bytes;
}

/* Bytes that may be read into the ring now, and where; 0: it is held. */
static size_t reserve(weir_source_t *source, uint64_t wanted, void **memory) {
  if (wanted > weir__source_budget(source))
    wanted = weir__source_budget(source);
  uint64_t room = weir__source_room(source, wanted);
  if (room == 0) return 0;
  if (wanted > room) wanted = room;
  return weir_log_reserve(source->options.log, (size_t)wanted, memory);
}

static ssize_t take_prefix(weir_source_t *source, void *memory, size_t length) {
  size_t left = source->options.prefix_length - source->prefix_taken;
  size_t run = length < left ? length : left;
  memcpy(memory, source->prefix + source->prefix_taken, run);
  source->prefix_taken += run;
  if (run < left) return (ssize_t)run;
  weir__release(&source->allocator, source->prefix,
                source->options.prefix_length);
  source->prefix = NULL;
  return (ssize_t)run;
}

static int64_t read_some(weir_source_t *source, void *memory, size_t length) {
  const weir_reader_t *reader = source->options.reader;
  if (source->prefix != NULL) return take_prefix(source, memory, length);
  if (reader != NULL)
    return reader->read(source->options.reader_context, memory, length);
  ssize_t n;
  do
    n = read(source->fd, memory, length);
  while (n < 0 && errno == EINTR);
  return n < 0 ? uv_translate_sys_error(errno) : n;
}

/* The body's next bytes, out of their chunks; 0 at its end. */
static int64_t receive_body(weir_source_t *source, void *memory,
                            size_t length) {
  int chunked = source->options.chunked;
  if (length > source->body_left) length = (size_t)source->body_left;
  size_t body = 0;
  while (body == 0 && !source->body_over) {
    int64_t n = read_some(source, memory, length);
    if (n == 0 && (chunked || source->body_left != UINT64_MAX))
      return WEIR_EHTTPBODY;
    if (n <= 0) return n;
    body = (size_t)n;
    if (chunked) {
      int done;
      int64_t used =
          weir_http_chunked_decode(&source->chunks, memory, &body, &done);
      if (used < 0) return used;
      source->body_over = done != 0;
    } else if (source->body_left != UINT64_MAX) {
      source->body_left -= body;
      source->body_over = source->body_left == 0;
    }
  }
  return (int64_t)body;
}

/* The same, without the titles between them. */
static int64_t receive_stream(weir_source_t *source, void *memory,
                              size_t length) {
  for (;;) {
    int64_t n = receive_body(source, memory, length);
    if (n <= 0 || source->icy == NULL) return n;
    size_t left = weir_icy_decode(source->icy, memory, (size_t)n);
    if (left > 0) return (int64_t)left;
  }
}

static void turn_samples(uint8_t *bytes, size_t length, size_t width) {
  for (size_t at = 0; at < length; at += width) {
    for (size_t a = at, b = at + width - 1; a < b; a++, b--) {
      uint8_t byte = bytes[a];
      bytes[a] = bytes[b];
      bytes[b] = byte;
    }
  }
}

/* The stream's next bytes, in the log's order; 0 at its end. Of samples that
 * are turned only whole ones: the log's head is always between two, so that
 * there is room for one where there is any. */
static int64_t receive(weir_source_t *source, void *memory, size_t length) {
  size_t width = source->options.swap_width;
  if (width == 0) return receive_stream(source, memory, length);
  uint8_t *bytes = memory;
  size_t have = source->carried;
  int64_t n = UV_EAGAIN;
  if (length < width) return n;
  length -= length % width;
  memcpy(bytes, source->carry, have);
  while (have < width) {
    n = receive_stream(source, bytes + have, length - have);
    if (n <= 0) break;
    have += (size_t)n;
  }
  size_t rest = have % width;
  memcpy(source->carry, bytes + have - rest, rest);
  source->carried = (uint8_t)rest;
  if (have < width) return n;
  turn_samples(bytes, have - rest, width);
  return (int64_t)(have - rest);
}

/*
 * Each of these is one step: bytes it dealt with, 0 at the end of the stream,
 * or a negative error (UV_EAGAIN: nothing now, or held).
 */

static int64_t read_into_log(weir_source_t *source) {
  uint64_t wanted = source->left < READ_STEP ? source->left : READ_STEP;
  if (wanted == 0) return 0; /* what follows the data is not played */
  void *memory;
  size_t run = reserve(source, wanted, &memory);
  if (run == 0) return UV_EAGAIN;
  int64_t n = receive(source, memory, run);
  put(source, memory, n > 0 ? (size_t)n : 0);
  return n;
}

static int64_t drain_header(weir_source_t *source) {
  uint64_t wanted = source->header_length - source->header_taken;
  if (wanted > source->left) wanted = source->left;
  if (wanted == 0) {
    weir__release(&source->allocator, source->header, WEIR_WAV_SCAN_MAX);
    source->header = NULL;
    return read_into_log(source);
  }
  void *memory;
  size_t run = reserve(source, wanted, &memory);
  if (run == 0) return UV_EAGAIN;
  memcpy(memory, source->header + source->header_taken, run);
  source->header_taken += run;
  put(source, memory, run);
  return (int64_t)run;
}

/* The bytes so far may hold a WAV header, end within one, or be no WAV. */
static int look_for_header(weir_source_t *source) {
  weir_wav_info_t info;
  int found = weir_wav_parse(source->header, source->header_length, &info);
  if (found == 0) return 0;
  source->searching = 0;
  if (found < 0) return found == WEIR_ENOTWAV ? 0 : found;
  source->header_taken = info.data_offset;
  source->left = info.data_length;
  return weir__source_accept(source, &info.format);
}

static int64_t read_header(weir_source_t *source) {
  size_t wanted = WEIR_WAV_SCAN_MAX - source->header_length;
  if (wanted > HEADER_STEP) wanted = HEADER_STEP;
  if (weir__source_is_held(source)) return UV_EAGAIN;
  uint8_t *end = source->header + source->header_length;
  int64_t n = receive(source, end, wanted);
  if (n < 0) return n;
  if (n == 0) {
    if (source->header_length >= WEIR__SOURCE_RIFF_PREFIX)
      return WEIR_EWAVHEADER;
    source->searching = 0; /* too short to be a WAV file: it is the stream */
    return drain_header(source);
  }
  source->header_length += (size_t)n;
  int error = look_for_header(source);
  return error < 0 ? error : n;
}

static int64_t read_into_track(weir_source_t *source) {
  size_t budget = weir__source_budget(source);
  uint64_t wanted = budget < READ_STEP ? budget : READ_STEP;
  wanted = weir__source_track_room(source, wanted);
  if (wanted == 0) return UV_EAGAIN;
  uint8_t *block = source->blocks[0].bytes;
  int64_t n = receive(source, block, (size_t)wanted);
  if (n < 0) return n;
  int error = n > 0 ? weir__source_push(source, block, (size_t)n)
                    : weir__source_finish(source);
  return error < 0 ? error : n;
}

static int64_t step(weir_source_t *source) {
  if (source->options.track != NULL) return read_into_track(source);
  if (source->header == NULL) return read_into_log(source);
  return source->searching ? read_header(source) : drain_header(source);
}

/* The newest, and not too often: a peer could send one with every byte. */
static void tell_title(weir_source_t *source) {
  weir_icy_t *icy = source->icy;
  if (icy == NULL || !icy->is_changed) return;
  uint64_t now = weir__source_now(source);
  if (source->titled_at != 0 && now - source->titled_at < WEIR_SOURCE_TITLE_NS)
    return;
  source->titled_at = now;
  icy->is_changed = 0;
  if (source->options.on_title != NULL)
    source->options.on_title(source, (const char *)icy->text, icy->text_length);
}

static void go_on(weir_source_t *source);

static void fd_turn(weir_source_t *source) {
  uint64_t before = source->bytes;
  size_t total = 0;
  int64_t n;
  do {
    n = step(source);
    if (n > 0) total += (size_t)n;
  } while (n > 0 && !source->closing && total < weir__source_budget(source));
  if (source->closing) return;
  if (source->bytes > before)
    weir__source_published(source);
  else if (total > 0)
    source->last = weir__source_now(source); /* a header is progress too */
  tell_title(source);
  if (source->closing) return;
  if (n == 0)
    weir__source_end(source, 0);
  else if (n < 0 && n != UV_EAGAIN)
    weir__source_end(source, (int)n);
  else
    go_on(source);
}

/* No timer: libuv calls one that is due at once again and again before the loop
 * turns, and nobody would be sent what was read. */
static void on_ready(uv_idle_t *ready) {
  (void)uv_idle_stop(ready);
  fd_turn(ready->data);
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* Waits for what the next read does. What is there without the descriptor's
 * saying so comes when the loop has turned: a prefix, bytes that a reader has
 * in memory, or an end that a peer which waits for its answer will not give. */
static void go_on(weir_source_t *source) {
  const weir_reader_t *reader = source->options.reader;
  int waits = UV_READABLE;
  if (weir__source_is_held(source)) return;
  if (reader != NULL) waits = reader->waits(source->options.reader_context);
  if (source->prefix != NULL || source->body_over || waits == 0)
    (void)uv_idle_start(&source->ready, on_ready);
  if (waits == 0 || waits == source->polled) return;
  source->polled = (uint8_t)waits;
  (void)uv_poll_start(&source->poll, waits, on_poll);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  weir_source_t *source = poll->data;
  uint64_t before = source->bytes;
  (void)events;
  /* The descriptor has failed, and libuv has stopped polling; what it still
   * holds is read first. A reader meets the failure behind that. */
  if (status < 0) source->polled = 0;
  fd_turn(source);
  if (status == 0 || source->ended || source->closing) return;
  if (source->bytes == before && !weir__source_is_held(source) &&
      source->options.reader == NULL)
    weir__source_end(source, status);
}

static void fd_halt(weir_source_t *source) {
  source->polled = 0;
  (void)uv_poll_stop(&source->poll);
  (void)uv_idle_stop(&source->ready);
}

static void fd_close(weir_source_t *source) {
  uv_close((uv_handle_t *)&source->poll, weir__source_handle_closed);
  uv_close((uv_handle_t *)&source->ready, weir__source_handle_closed);
  (void)close(source->fd);
}

static const weir__source_kind_t fd_kind = {go_on, fd_halt, fd_turn, fd_close};

static int keep_prefix(weir_source_t *source) {
  const weir_source_options_t *options = &source->options;
  if (options->prefix_length == 0) return 0;
  if (options->prefix == NULL) return WEIR_EOPTION;
  source->prefix = weir__allocate(&source->allocator, options->prefix_length);
  if (source->prefix == NULL) return UV_ENOMEM;
  memcpy(source->prefix, options->prefix, options->prefix_length);
  return 0;
}

/* What is undone in what is read. */
static int make_coding(weir_source_t *source) {
  const weir_source_options_t *options = &source->options;
  uint32_t width = options->swap_width;
  if (width != 0 && (options->detect_wav || options->track != NULL ||
                     width != weir_pcm_sample_bytes(options->format.sample)))
    return WEIR_EOPTION;
  if (options->title_interval == 0) return 0;
  source->icy = weir__allocate(&source->allocator, sizeof *source->icy);
  if (source->icy == NULL) return UV_ENOMEM;
  return weir_icy_init(source->icy, options->title_interval);
}

int weir_source_open_fd(uv_loop_t *loop, weir_source_t **source, int fd,
                        const weir_source_options_t *given) {
  struct stat status;
  if (fstat(fd, &status) < 0) return uv_translate_sys_error(errno);
  if (S_ISREG(status.st_mode)) return UV_EPERM;
  weir_source_options_t options;
  int error = weir__source_options(&options, given);
  if (error < 0) return error;
  weir_source_t *made;
  error = weir__source_make(loop, &made, &options, &fd_kind);
  if (error < 0) return error;
  made->left = UINT64_MAX;
  made->body_left = options.length > 0 ? options.length : UINT64_MAX;
  error = keep_prefix(made);
  if (error == 0) error = make_coding(made);
  if (error == 0 && options.track != NULL) {
    error = weir__source_make_block(made, 0);
  } else if (error == 0 && options.detect_wav) {
    made->searching = 1;
    made->header = weir__allocate(&made->allocator, WEIR_WAV_SCAN_MAX);
    if (made->header == NULL) error = UV_ENOMEM;
  }
  if (error == 0) error = weir__source_watch(made, fd);
  if (error < 0) {
    weir__source_discard(made);
    return error;
  }
  (void)uv_idle_init(loop, &made->ready);
  made->ready.data = made;
  uv_unref((uv_handle_t *)&made->ready);
  made->handles++;
  weir__source_begin(made);
  go_on(made);
  *source = made;
  return 0;
}
