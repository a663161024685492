/*
 * source_fd.c - a source that reads a pipe, FIFO, socket or device.
 *
 * Reads go straight into the ring. Only while a WAV header is looked for are
 * they gathered aside; what follows the header then goes into the log first,
 * as the room for it allows.
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

static void put(weir_source_t *source, size_t bytes) {
  weir__source_commit(source, bytes);
  if (source->left != UINT64_MAX) source->left -= bytes;
}

/* What may be read before the loop turns: of the ring a quarter, so that those
 * who keep up are served before it has gone round. */
static size_t budget(const weir_source_t *source) {
  size_t quarter = weir_log_capacity(source->options.log) / 4;
  return quarter < WEIR_SOURCE_READ_MAX ? quarter : WEIR_SOURCE_READ_MAX;
}

/* Bytes that may be read into the ring now, and where; 0: it is held. */
static size_t reserve(weir_source_t *source, uint64_t wanted, void **memory) {
  if (wanted > budget(source)) wanted = budget(source);
  uint64_t room = weir__source_room(source, wanted);
  if (room == 0) return 0;
  if (wanted > room) wanted = room;
  return weir_log_reserve(source->options.log, (size_t)wanted, memory);
}

static ssize_t read_some(int fd, void *memory, size_t length) {
  ssize_t n;
  do
    n = read(fd, memory, length);
  while (n < 0 && errno == EINTR);
  return n < 0 ? uv_translate_sys_error(errno) : n;
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
  ssize_t n = read_some(source->fd, memory, run);
  put(source, n > 0 ? (size_t)n : 0);
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
  put(source, run);
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
  ssize_t n = read_some(source->fd, end, wanted);
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

static int64_t step(weir_source_t *source) {
  if (source->header == NULL) return read_into_log(source);
  return source->searching ? read_header(source) : drain_header(source);
}

static void fd_turn(weir_source_t *source) {
  uint64_t before = source->bytes;
  size_t total = 0;
  int64_t n;
  do {
    n = step(source);
    if (n > 0) total += (size_t)n;
  } while (n > 0 && !source->closing && total < budget(source));
  if (source->closing) return;
  if (source->bytes > before)
    weir__source_published(source);
  else if (total > 0)
    source->last = weir__source_now(source); /* a header is progress too */
  if (n == 0)
    weir__source_end(source, 0);
  else if (n < 0 && n != UV_EAGAIN)
    weir__source_end(source, (int)n);
}

static void fd_go(weir_source_t *source);

static void on_poll(uv_poll_t *poll, int status, int events) {
  weir_source_t *source = poll->data;
  uint64_t before = source->bytes;
  (void)events;
  fd_turn(source);
  if (status == 0 || source->ended || source->closing) return;
  /* The descriptor has failed, and libuv has stopped polling; what it still
   * holds is read first. */
  if (source->bytes == before && !weir__source_is_held(source))
    weir__source_end(source, status);
  else if (!weir__source_is_held(source))
    fd_go(source);
}

static void fd_go(weir_source_t *source) {
  (void)uv_poll_start(&source->poll, UV_READABLE, on_poll);
}

static void fd_halt(weir_source_t *source) {
  (void)uv_poll_stop(&source->poll);
}

static void fd_close(weir_source_t *source) {
  uv_close((uv_handle_t *)&source->poll, weir__source_handle_closed);
  (void)close(source->fd);
}

static const weir__source_kind_t fd_kind = {fd_go, fd_halt, fd_turn, fd_close};

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
  if (options.detect_wav) {
    made->searching = 1;
    made->header = weir__allocate(&made->allocator, WEIR_WAV_SCAN_MAX);
    if (made->header == NULL) error = UV_ENOMEM;
  }
  if (error == 0) error = uv_poll_init(loop, &made->poll, fd);
  if (error < 0) {
    weir__source_discard(made);
    return error;
  }
  made->poll.data = made;
  uv_unref((uv_handle_t *)&made->poll);
  made->handles++;
  made->fd = fd;
  weir__source_begin(made);
  fd_go(made);
  *source = made;
  return 0;
}
