/*
 * log_read.c - a copy of a range, from whichever tiers hold it.
 *
 * What is in the ring is copied at once, before it is overwritten. The pool
 * reads the rest step by step, so that listeners need not wait for all of it;
 * it holds the segments that are to come, so that what is cut off meanwhile is
 * still read, while its space is not needed.
 */
#include <stddef.h>
#include <string.h>

#include "allocation.h"
#include "log_state.h"
#include "weir/errors.h"

#define READ_STEP ((size_t)1 << 20) /* bytes; then it is the others' turn */

typedef struct weir__read {
  weir__operation_t operation; /* first: an operation is its read */
  weir__link_t all;            /* copies of the disk */
  weir_disk_t *disk;
  weir_allocator_t allocator;
  void (*done)(void *context, int64_t result);
  void *context;
  uint8_t *buffer;   /* for what is next */
  uint64_t position; /* of it */
  uint64_t left;     /* bytes to be read from files */
  size_t step;       /* of them, at once: the pool sees no segment change */
  int64_t result;
  uint32_t count; /* segments held */
  uint32_t at;    /* of them, being read */
  int is_behind;  /* what is to come is not held any more */
  weir__segment_t *segments[WEIR__SEGMENTS_KEPT];
} weir__read_t;

/* ---- the part in files ---- */

static size_t step_of(const weir__read_t *read) {
  const weir__segment_t *segment = read->segments[read->at];
  uint64_t step = segment->base + segment->size - read->position;
  if (step > read->left) step = read->left;
  return step < READ_STEP ? (size_t)step : READ_STEP;
}

static int64_t read_step(weir__operation_t *operation) {
  const weir__read_t *read = (weir__read_t *)operation;
  return weir__segment_read(read->segments[read->at], read->position,
                            read->buffer, read->step);
}

static void on_step(weir__operation_t *operation) {
  weir__read_t *read = (weir__read_t *)operation;
  if (read->left > 0 && operation->result > 0) {
    const weir__segment_t *segment = read->segments[read->at];
    read->buffer += operation->result;
    read->position += (uint64_t)operation->result;
    read->left -= (uint64_t)operation->result;
    if (read->position == segment->base + segment->size)
      weir__segment_release(read->segments[read->at++]);
    if (read->left > 0 && !read->is_behind) {
      read->step = step_of(read);
      weir__disk_queue(read->disk, WEIR__LANE_READ, operation);
      return;
    }
  }
  if (read->left > 0) /* it failed */
    read->result = read->is_behind ? WEIR_EBEHIND : operation->result;
  weir__link_remove(&read->all);
  read->done(read->context, read->result);
  while (read->at < read->count)
    weir__segment_release(read->segments[read->at++]);
  weir__release(&read->allocator, read, sizeof *read);
}

static void hold_segments(weir__read_t *read, const weir__files_t *files) {
  uint64_t end = read->position + read->left;
  weir__segment_t *segment = weir__segment_at(files, read->position);
  for (;;) {
    weir__segment_hold(segment);
    read->segments[read->count++] = segment;
    if (segment->base + segment->size >= end) return;
    segment = (weir__segment_t *)segment->link.next;
  }
}

static void cut_copy(weir__read_t *read) {
  int waits = weir__disk_cancel(read->disk, &read->operation);
  uint32_t kept = waits ? read->at : read->at + 1;
  read->is_behind = 1;
  while (read->count > kept)
    weir__segment_release(read->segments[--read->count]);
  if (!waits) return;
  read->operation.result = WEIR_EBEHIND;
  weir__disk_soon(read->disk, &read->operation);
}

void weir__copies_cut(weir_disk_t *disk) {
  for (weir__link_t *at = disk->copies.next; at != &disk->copies;
       at = at->next) {
    weir__read_t *read =
        (weir__read_t *)((char *)at - offsetof(weir__read_t, all));
    if (!read->is_behind && weir__segment_is_cut(read->segments[read->at]))
      cut_copy(read);
  }
}

/* ---- the part in memory ---- */

static void copy_ring(const weir_log_t *log, uint64_t position, uint8_t *to,
                      size_t length) {
  struct iovec iov[2];
  int pieces;
  if (weir_log_peek(log, position, length, iov, &pieces) <= 0) return;
  for (int i = 0; i < pieces; i++) {
    memcpy(to, iov[i].iov_base, iov[i].iov_len);
    to += iov[i].iov_len;
  }
}

static int64_t begin(weir__read_t *read, const weir_log_t *log,
                     uint64_t length) {
  uint64_t head = weir_log_head(log);
  uint64_t ring = weir_log_ring_tail(log);
  if (read->position > head) return WEIR_EAHEAD;
  if (read->position < weir_log_tail(log)) return WEIR_EBEHIND;
  if (length > head - read->position) length = head - read->position;
  uint64_t before = ring > read->position ? ring - read->position : 0;
  read->left = before < length ? before : length;
  copy_ring(log, read->position + read->left, read->buffer + read->left,
            (size_t)(length - read->left));
  return (int64_t)length;
}

int weir_log_read(weir_log_t *log, uint64_t position, void *buffer,
                  size_t length, void (*done)(void *context, int64_t result),
                  void *context) {
  const weir__files_t *files = log->files;
  if (files == NULL) return WEIR_EOPTION;
  weir__read_t *read = weir__allocate(&log->allocator, sizeof *read);
  if (read == NULL) return UV_ENOMEM;
  weir__link_init(&read->all);
  read->operation.work = read_step;
  read->operation.done = on_step;
  read->disk = files->disk;
  read->allocator = log->allocator;
  read->done = done;
  read->context = context;
  read->buffer = buffer;
  read->position = position;
  read->result = begin(read, log, length);
  if (read->left > 0) {
    hold_segments(read, files);
    weir__link_append(&read->disk->copies, &read->all);
    read->step = step_of(read);
    weir__disk_queue(read->disk, WEIR__LANE_READ, &read->operation);
  } else {
    weir__disk_soon(read->disk, &read->operation);
  }
  return 0;
}
