/*
 * fill_intake.c - bytes from a descriptor into a fill.
 *
 * What a file has in memory is read on the loop's thread (RWF_NOWAIT), the rest
 * on the pool, a block at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "CWeirDownloads.h"
#include "fill_inside.h"

/* Reads in one turn. */
#define READS_IN_A_TURN 4
/* Bytes that are left out at once. */
#define SKIPPED_AT_ONCE 16384

static void finish(weir__intake_t *intake, int status) {
  weir_fill_t *fill = intake->fill;
  weir__intake_close(intake);
  fill->is_fed = 1;
  fill->fed_status = status;
  weir__fill_ready(fill);
}

static void destroy(weir__intake_t *intake) {
  weir_fill_t *fill = intake->fill;
  close(intake->descriptor);
  free(intake);
  weir__fill_release(fill);
}

static void poll_closed(uv_handle_t *handle) {
  destroy(handle->data);
}

/* It goes when neither the pool nor the loop has it any more. */
void weir__intake_close(weir__intake_t *intake) {
  weir_fills_t *fills = intake->fill->fills;
  if (intake->is_closing) return;
  intake->is_closing = 1;
  intake->fill->intake = NULL;
  if (fills->reading == intake) return;
  weir__link_out(&intake->to_read);
  if (intake->has_poll) {
    uv_close((uv_handle_t *)&intake->poll, poll_closed);
  } else {
    destroy(intake);
  }
}

static void took(weir__intake_t *intake, const uint8_t *bytes, size_t count) {
  weir_fill_t *fill = intake->fill;
  fill->fed_crc = weir_crc32(fill->fed_crc, bytes, count);
  intake->offset += count;
  intake->spans[intake->span].count -= count;
  weir__fill_commit(fill, count);
}

/* What the pool has read. */
void weir__intake_read(weir__intake_t *intake, ssize_t count) {
  weir_fill_t *fill = intake->fill;
  intake->is_cold = 0;
  if (intake->is_closing) {
    destroy(intake);
    return;
  }
  if (count <= 0) {
    finish(intake, count == 0 ? UV_EOF : (int)count);
    return;
  }
  uint8_t *to = fill->last->bytes + fill->last->used;
  memcpy(to, fill->fills->cold, (size_t)count);
  took(intake, to, (size_t)count);
  weir__fill_ready(fill);
}

static void readable(uv_poll_t *poll, int status, int events) {
  weir__intake_t *intake = poll->data;
  (void)events;
  if (intake->is_closing) return;
  uv_poll_stop(poll);
  if (status < 0) {
    finish(intake, status);
  } else {
    weir__fill_ready(intake->fill);
  }
}

/* A file's bytes that are in memory; 0 when the pool has to be asked. */
static ssize_t read_file(weir__intake_t *intake, uint8_t *to, size_t count) {
  struct iovec piece = {.iov_base = to, .iov_len = count};
  ssize_t n;
  do
    n = preadv2(intake->descriptor, &piece, 1, (off_t)intake->offset,
                RWF_NOWAIT);
  while (n < 0 && errno == EINTR);
  if (n > 0) return n;
  /* The end of a file too is the pool's to see. */
  weir__intake_cold(intake);
  return 0;
}

/* A socket's; 0 when there is nothing yet, or the intake has ended. */
static ssize_t read_socket(weir__intake_t *intake, uint8_t *to, size_t count) {
  ssize_t n;
  do
    n = read(intake->descriptor, to, count);
  while (n < 0 && errno == EINTR);
  if (n > 0) return n;
  if (n == 0) {
    finish(intake, UV_EOF);
  } else if (errno == EAGAIN) {
    uv_poll_start(&intake->poll, UV_READABLE, readable);
  } else {
    finish(intake, -errno);
  }
  return 0;
}

/* Leaves out what is not wanted; 0 when it has to wait. */
static int skip(weir__intake_t *intake) {
  weir_fill_span_t *span = &intake->spans[intake->span];
  if (intake->is_file) {
    intake->offset += span->skip;
    span->skip = 0;
  }
  while (span->skip > 0) {
    uint8_t unwanted[SKIPPED_AT_ONCE];
    size_t count = sizeof(unwanted);
    if (count > span->skip) count = (size_t)span->skip;
    ssize_t n = read_socket(intake, unwanted, count);
    if (n == 0) return 0;
    span->skip -= (uint64_t)n;
  }
  return 1;
}

void weir__intake_move(weir__intake_t *intake) {
  int reads = READS_IN_A_TURN;
  if (intake->is_cold) return;
  for (;;) {
    weir_fill_span_t *span = &intake->spans[intake->span];
    size_t room;
    uint8_t *to;
    ssize_t n;
    if (intake->span == intake->span_count) {
      finish(intake, 0);
      return;
    }
    if (!skip(intake)) return;
    if (span->count == 0) {
      intake->span++;
      continue;
    }
    if (reads-- == 0) {
      weir__fill_ready(intake->fill);
      return;
    }
    to = weir__fill_reserve(intake->fill, &room, 0);
    if (!to) return;
    if (room > span->count) room = (size_t)span->count;
    n = intake->is_file ? read_file(intake, to, room)
                        : read_socket(intake, to, room);
    if (n == 0) return;
    took(intake, to, (size_t)n);
  }
}

int weir_fill_feed(weir_fill_t *fill, int descriptor, int is_file,
                   uint64_t offset, const weir_fill_span_t *spans,
                   size_t count) {
  size_t size = sizeof(weir__intake_t) + count * sizeof(*spans);
  weir__intake_t *intake = NULL;
  int status = UV_EBUSY;
  if (!fill->intake && !fill->is_fed) {
    intake = calloc(1, size);
    status = intake ? 0 : UV_ENOMEM;
  }
  if (status == 0 && fill->error) status = fill->error;
  if (status == 0 && !is_file)
    status = uv_poll_init(fill->fills->loop, &intake->poll, descriptor);
  if (status < 0) {
    free(intake);
    close(descriptor);
    return status;
  }
  intake->fill = fill;
  fill->users++;
  fill->intake = intake;
  fill->fed_crc = 0;
  intake->poll.data = intake;
  intake->has_poll = !is_file;
  intake->is_file = is_file;
  intake->descriptor = descriptor;
  intake->offset = offset;
  intake->span_count = count;
  if (count > 0) memcpy(intake->spans, spans, count * sizeof(*spans));
  weir__link_init(&intake->to_read);
  if (is_file) posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
  weir__fill_ready(fill);
  return 0;
}

int weir_file_crc32(int file, uint64_t offset, uint64_t length, uint32_t *crc) {
  uint8_t *block = malloc(WEIR_FILL_BLOCK);
  int status = 0;
  if (!block) return UV_ENOMEM;
  *crc = 0;
  while (length > 0 && status == 0) {
    size_t room = length < WEIR_FILL_BLOCK ? (size_t)length : WEIR_FILL_BLOCK;
    ssize_t count = pread(file, block, room, (off_t)offset);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      status = count < 0 ? -errno : UV_EOF;
      continue;
    }
    *crc = weir_crc32(*crc, block, (size_t)count);
    offset += (uint64_t)count;
    length -= (uint64_t)count;
  }
  free(block);
  return status;
}
