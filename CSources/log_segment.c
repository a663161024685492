/*
 * log_segment.c - one file of a log.
 *
 * It is created by the thread that writes its first bytes, and unlinked as soon
 * as it leaves the tier; its descriptor is closed, which gives its space back,
 * with that or when the last who holds it is done. All of these can block, so
 * the disk's write lane does them, in the order in which they were asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "log_state.h"

#define NAME_BYTES 17u /* sixteen digits */

/* ---- on a thread of the pool ---- */

static void name_of(const weir__segment_t *segment, char name[NAME_BYTES]) {
  (void)snprintf(name, NAME_BYTES, "%016" PRIx64, segment->base);
}

static int create(weir__segment_t *segment) {
  char name[NAME_BYTES];
  name_of(segment, name);
  segment->fd = openat(segment->files->options.directory, name,
                       O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW,
                       S_IRUSR | S_IWUSR);
  return segment->fd < 0 ? uv_translate_sys_error(errno) : 0;
}

int64_t weir__segment_write(weir__segment_t *segment, uint64_t position,
                            const uint8_t *bytes, size_t length) {
  int error = segment->fd < 0 ? create(segment) : 0;
  if (error < 0) return error;
  off_t at = (off_t)(position - segment->base);
  for (size_t done = 0; done < length;) {
    ssize_t n =
        pwrite(segment->fd, bytes + done, length - done, at + (off_t)done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? uv_translate_sys_error(errno) : UV_EIO;
    done += (size_t)n;
  }
  return (int64_t)length;
}

int64_t weir__segment_read(const weir__segment_t *segment, uint64_t position,
                           uint8_t *bytes, size_t length) {
  off_t at = (off_t)(position - segment->base);
  for (size_t done = 0; done < length;) {
    ssize_t n =
        pread(segment->fd, bytes + done, length - done, at + (off_t)done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n < 0 ? uv_translate_sys_error(errno) : UV_EIO;
    done += (size_t)n;
  }
  return (int64_t)length;
}

static weir__segment_t *ending(weir__operation_t *end) {
  return (weir__segment_t *)((char *)end - offsetof(weir__segment_t, end));
}

static int64_t close_file(weir__operation_t *end) {
  weir__segment_t *segment = ending(end);
  return segment->fd >= 0 ? close(segment->fd) : 0;
}

static int64_t unlink_file(weir__operation_t *end) {
  weir__segment_t *segment = ending(end);
  char name[NAME_BYTES];
  name_of(segment, name);
  if (segment->fd < 0) return 0;
  (void)unlinkat(segment->files->options.directory, name, 0);
  return segment->is_free ? close_file(end) : 0;
}

/* ---- on the loop ---- */

int64_t weir__segment_read_now(const weir__segment_t *segment,
                               uint64_t position, uint8_t *bytes,
                               size_t length) {
  struct iovec iov = {bytes, length};
  ssize_t n;
  do
    n = preadv2(segment->fd, &iov, 1, (off_t)(position - segment->base),
                RWF_NOWAIT);
  while (n < 0 && errno == EINTR);
  if (n > 0) return n;
  /* Some file systems cannot; and a file that ends early is the pool's to
   * find out. */
  if (n == 0 || errno == EOPNOTSUPP || errno == ENOSYS) return UV_EAGAIN;
  return uv_translate_sys_error(errno);
}

weir__segment_t *weir__segment_begin(weir__files_t *files, uint64_t base,
                                     uint64_t size) {
  if (weir__link_is_empty(&files->idle)) return NULL;
  weir__segment_t *segment = (weir__segment_t *)files->idle.next;
  weir__link_remove(&segment->link);
  weir__link_append(&files->live, &segment->link);
  segment->files = files;
  segment->base = base;
  segment->size = size;
  segment->length = 0;
  segment->claimed = 0;
  segment->fd = -1;
  segment->holds = 1; /* the tier's */
  segment->is_there = 1;
  segment->is_free = 0;
  files->uses++;
  return segment;
}

weir__segment_t *weir__segment_at(const weir__files_t *files,
                                  uint64_t position) {
  weir__link_t *at = files->live.next;
  while (position - ((weir__segment_t *)at)->base >=
         ((weir__segment_t *)at)->size)
    at = at->next;
  return (weir__segment_t *)at;
}

static void on_closed(weir__operation_t *end) {
  weir__segment_t *segment = ending(end);
  weir__files_t *files = segment->files;
  segment->is_there = 0;
  weir__link_append(&files->idle, &segment->link);
  if (files->log != NULL) weir__files_stage(files); /* it may have waited */
  weir__files_release(files);
}

static void on_unlinked(weir__operation_t *end) {
  weir__segment_t *segment = ending(end);
  if (segment->is_free)
    on_closed(end);
  else
    weir__segment_release(segment);
}

void weir__segment_claim(weir__segment_t *segment, uint32_t bytes) {
  segment->claimed += bytes;
  segment->files->claimed += bytes;
  segment->files->disk->claimed += bytes;
}

static void give_back(weir__segment_t *segment) {
  segment->files->claimed -= segment->claimed;
  segment->files->disk->claimed -= segment->claimed;
  segment->claimed = 0;
}

int weir__segment_is_cut(const weir__segment_t *segment) {
  return weir__link_is_empty(&segment->link);
}

void weir__segment_drop(weir__segment_t *segment) {
  weir__link_remove(&segment->link);
  /* Out of the tier nobody can find it to hold it. */
  segment->is_free = segment->holds == 1;
  if (segment->is_free) give_back(segment);
  segment->end.work = unlink_file;
  segment->end.done = on_unlinked;
  weir__disk_queue(segment->files->disk, WEIR__LANE_WRITE, &segment->end);
}

void weir__segment_hold(weir__segment_t *segment) {
  segment->holds++;
}

void weir__segment_release(weir__segment_t *segment) {
  if (--segment->holds > 0) return;
  give_back(segment);
  segment->end.work = close_file;
  segment->end.done = on_closed;
  weir__disk_queue(segment->files->disk, WEIR__LANE_WRITE, &segment->end);
}
