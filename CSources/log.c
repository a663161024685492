/*
 * log.c - a log, and its ring tier.
 *
 * The ring is one run of memory whose size is a multiple of the unit; the byte
 * at position p lies at p % capacity. `written` is the position after the last
 * byte, `touched` the greatest position ever written: they differ only after a
 * trim, when the bytes of the dropped unit have already overwritten old ones.
 * The tail is derived from them, so nothing has to be kept in step.
 */
#include <string.h>

#include "allocation.h"
#include "log_state.h"
#include "options.h"
#include "weir/errors.h"

#define LOG_MAGIC         0x57454c47u
#define LOG_MIN_UNITS     16u
#define LOG_OPTIONS_LEAST WEIR__OPTIONS_TO(weir_log_options_t, allocator)

int weir_log_create(weir_log_t **log, const weir_log_options_t *options) {
  weir_log_options_t read;
  int error =
      weir__options_read(&read, sizeof read, options, LOG_OPTIONS_LEAST);
  if (error < 0) return error;
  uint32_t unit = read.unit != 0 ? read.unit : 1;
  size_t capacity =
      read.capacity != 0 ? read.capacity : WEIR_LOG_DEFAULT_CAPACITY;
  if (unit > WEIR_LOG_MAX_UNIT || capacity > WEIR_LOG_MAX_CAPACITY ||
      capacity < (size_t)unit * LOG_MIN_UNITS)
    return WEIR_EOPTION;
  capacity -= capacity % unit;

  weir_allocator_t allocator = weir__allocator(read.allocator);
  weir_log_t *made = weir__allocate(&allocator, sizeof *made);
  if (made == NULL) return UV_ENOMEM;
  /* Not zeroed: pages of the ring become resident as they are written. */
  made->ring = allocator.allocate(allocator.context, capacity);
  if (made->ring == NULL) {
    weir__release(&allocator, made, sizeof *made);
    return UV_ENOMEM;
  }
  made->magic = LOG_MAGIC;
  made->unit = unit;
  made->capacity = capacity;
  made->allocator = allocator;
  *log = made;
  return 0;
}

void weir_log_destroy(weir_log_t *log) {
  if (log == NULL || log->magic != LOG_MAGIC) return;
  weir_log_files_close(log, NULL, NULL);
  log->magic = 0;
  weir__release(&log->allocator, log->ring, log->capacity);
  weir__release(&log->allocator, log, sizeof *log);
}

size_t weir_log_capacity(const weir_log_t *log) {
  return log->capacity;
}

uint32_t weir_log_unit(const weir_log_t *log) {
  return log->unit;
}

uint64_t weir_log_align(const weir_log_t *log, uint64_t position) {
  return position - position % log->unit;
}

uint64_t weir_log_head(const weir_log_t *log) {
  return weir_log_align(log, log->written);
}

uint64_t weir_log_written(const weir_log_t *log) {
  return log->written;
}

uint64_t weir_log_ring_tail(const weir_log_t *log) {
  uint64_t end = log->written + log->reserved;
  if (end < log->touched) end = log->touched;
  if (end <= log->capacity) return 0;
  return weir_log_align(log, end - log->capacity + log->unit - 1);
}

uint64_t weir_log_tail(const weir_log_t *log) {
  const weir__files_t *files = log->files;
  uint64_t tail = weir_log_ring_tail(log);
  int reaches = files != NULL && files->head > files->tail;
  return reaches && files->tail < tail ? files->tail : tail;
}

weir_log_tier_t weir_log_where(const weir_log_t *log, uint64_t position) {
  if (position > weir_log_head(log)) return WEIR_TIER_AHEAD;
  if (position >= weir_log_ring_tail(log)) return WEIR_TIER_RING;
  return position >= weir_log_tail(log) ? WEIR_TIER_FILE : WEIR_TIER_BEHIND;
}

size_t weir_log_reserve(weir_log_t *log, size_t wanted, void **memory) {
  size_t half = (size_t)weir_log_align(log, log->capacity / 2);
  size_t run = log->capacity - log->offset;
  if (run > half) run = half;
  if (wanted == 0) wanted = 1;
  if (run > wanted) run = wanted;
  log->reserved = run;
  if (log->files != NULL) weir__files_reserved(log->files);
  *memory = log->ring + log->offset;
  return run;
}

int weir_log_commit(weir_log_t *log, size_t bytes) {
  if (bytes > log->reserved) return WEIR_EOPTION;
  log->reserved = 0;
  log->written += bytes;
  if (log->touched < log->written) log->touched = log->written;
  log->offset += bytes;
  if (log->offset == log->capacity) log->offset = 0;
  if (log->files != NULL) weir__files_stage(log->files);
  return 0;
}

void weir_log_append(weir_log_t *log, const void *bytes, size_t length) {
  const unsigned char *from = bytes;
  while (length > 0) {
    void *to;
    size_t run = weir_log_reserve(log, length, &to);
    memcpy(to, from, run);
    (void)weir_log_commit(log, run);
    from += run;
    length -= run;
  }
}

uint32_t weir_log_trim(weir_log_t *log) {
  uint32_t cut = (uint32_t)(log->written % log->unit);
  log->reserved = 0;
  log->written -= cut;
  log->offset = (size_t)(log->written % log->capacity);
  return cut;
}

int64_t weir_log_peek(const weir_log_t *log, uint64_t position, size_t limit,
                      struct iovec iov[2], int *pieces) {
  uint64_t head = weir_log_head(log);
  *pieces = 0;
  if (position > head) return WEIR_EAHEAD;
  if (position < weir_log_ring_tail(log)) return WEIR_EBEHIND;
  size_t length = (size_t)(head - position);
  if (length > limit) length = limit;
  if (length == 0) return 0;

  size_t back = (size_t)(log->written - position); /* <= capacity */
  size_t start = log->offset >= back ? log->offset - back
                                     : log->offset + log->capacity - back;
  size_t first = log->capacity - start;
  if (first > length) first = length;
  iov[0] = (struct iovec){log->ring + start, first};
  *pieces = 1;
  if (first < length) {
    iov[1] = (struct iovec){log->ring, length - first};
    *pieces = 2;
  }
  return (int64_t)length;
}
