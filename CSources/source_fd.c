/* source_fd.c - a source that reads a pipe, FIFO, socket or device. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source_state.h"
#include "weir/errors.h"

#define READ_STEP   65536u /* bytes asked of one read */
#define HEADER_STEP 4096u  /* the same while a header is looked for */

/* One read, straight into the ring. Returns bytes, 0 at the end of the
 * stream, or a negative error (UV_EAGAIN: nothing now, or held). */
static int64_t read_into_log(weir_source_t *source) {
  uint64_t wanted = READ_STEP;
  if (source->left < wanted) wanted = source->left;
  if (wanted == 0) return 0;
  uint64_t room = weir__source_room(source, wanted);
  if (room == 0) return UV_EAGAIN;
  if (wanted > room) wanted = room;
  void *memory;
  size_t run = weir_log_reserve(source->options.log, (size_t)wanted, &memory);
  ssize_t n;
  do
    n = read(source->fd, memory, run);
  while (n < 0 && errno == EINTR);
  if (n <= 0) {
    int error = n < 0 ? uv_translate_sys_error(errno) : 0;
    weir__source_commit(source, 0);
    return error;
  }
  weir__source_commit(source, (size_t)n);
  return n;
}

/* One read into the header that is being gathered. */
static int64_t read_header(weir_source_t *source) {
  size_t wanted = WEIR_WAV_SCAN_MAX - source->header_length;
  if (wanted > HEADER_STEP) wanted = HEADER_STEP;
  if (weir__source_room(source, wanted) == 0) return UV_EAGAIN;
  ssize_t n;
  do
    n = read(source->fd, source->header + source->header_length, wanted);
  while (n < 0 && errno == EINTR);
  if (n < 0) return uv_translate_sys_error(errno);
  if (n == 0) return 0;
  int taken = weir__source_take_header(source, (size_t)n);
  return taken < 0 ? taken : n;
}

static void fd_turn(weir_source_t *source) {
  uint64_t before = source->bytes;
  size_t total = 0;
  int64_t n;
  do {
    n = source->header != NULL ? read_header(source) : read_into_log(source);
    if (n > 0) total += (size_t)n;
  } while (n > 0 && total < WEIR_SOURCE_READ_MAX);
  if (source->bytes > before)
    weir__source_published(source);
  else if (total > 0)
    source->last = weir__source_now(source); /* a header is progress too */
  if (source->closing) return;               /* by a callback */
  if (n == 0)
    weir__source_end(source, 0);
  else if (n < 0 && n != UV_EAGAIN)
    weir__source_end(source, (int)n);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  (void)status; /* an error is what the next read returns */
  (void)events;
  fd_turn(poll->data);
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
                        const weir_source_options_t *options) {
  struct stat status;
  if (fstat(fd, &status) < 0) return uv_translate_sys_error(errno);
  if (S_ISREG(status.st_mode)) return UV_EPERM;
  weir_source_t *made;
  int error = weir__source_make(loop, &made, options, &fd_kind);
  if (error < 0) return error;
  error = uv_poll_init(loop, &made->poll, fd);
  if (error < 0) {
    weir__source_discard(made);
    return error;
  }
  made->poll.data = made;
  uv_unref((uv_handle_t *)&made->poll);
  made->handles++;
  made->fd = fd;
  fd_go(made);
  *source = made;
  return 0;
}
