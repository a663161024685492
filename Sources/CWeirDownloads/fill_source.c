/*
 * fill_source.c - a reader of a fill: in the file if it is behind, else in the
 * blocks, else waiting for the next byte.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fill_inside.h"

typedef struct fill_source {
  weir_byte_source_t source; /* first: a source is its reader */
  weir_fill_t *fill;
  weir__link_t link; /* in the fill's readers, or those that wait */
  uint64_t position;
  weir_byte_source_t *file; /* NULL: none open */
  uint64_t file_end;        /* what was written when it was opened */
} fill_source_t;

static void wake_from_file(void *data) {
  fill_source_t *reader = data;
  if (reader->source.wake) reader->source.wake(reader->source.data);
}

static void close_file(fill_source_t *reader) {
  if (!reader->file) return;
  reader->file->calls->close(reader->file);
  reader->file = NULL;
}

static int64_t peek_file(fill_source_t *reader, uint64_t position, size_t limit,
                         struct iovec out[WEIR_BYTES_PIECES]) {
  weir_fill_t *fill = reader->fill;
  uint64_t offset = position - fill->first;
  if (reader->file && offset >= reader->file_end) close_file(reader);
  if (!reader->file) {
    uint64_t end = fill->written - fill->first;
    int file = fcntl(fill->file, F_DUPFD_CLOEXEC, 0);
    int status;
    if (file < 0) return UV_EMFILE;
    status = weir_fills_file(fill->fills, &reader->file, file, end);
    if (status < 0) {
      close(file);
      return status;
    }
    reader->file_end = end;
    reader->file->wake = wake_from_file;
    reader->file->data = reader;
  }
  return reader->file->calls->peek(reader->file, offset, limit, out);
}

static int64_t peek_blocks(const weir_fill_t *fill, uint64_t position,
                           size_t limit, struct iovec out[WEIR_BYTES_PIECES]) {
  weir__block_t *block = fill->blocks;
  size_t count = 0;
  int i;
  while (block && position >= block->position + block->used)
    block = block->next;
  for (i = 0; i < WEIR_BYTES_PIECES; i++) {
    size_t at = block ? (size_t)(position + count - block->position) : 0;
    size_t length = block ? block->used - at : 0;
    if (length > limit - count) length = limit - count;
    out[i] = (struct iovec){length ? block->bytes + at : NULL, length};
    count += length;
    if (block) block = block->next;
  }
  return (int64_t)count;
}

static int64_t fill_peek(weir_byte_source_t *bytes, uint64_t position,
                         size_t limit, struct iovec out[WEIR_BYTES_PIECES]) {
  fill_source_t *reader = (fill_source_t *)bytes;
  weir_fill_t *fill = reader->fill;
  reader->position = position;
  weir__fill_passed(fill);
  if (position < fill->first) return UV_EINVAL;
  if (fill->has_file && position < fill->written)
    return peek_file(reader, position, limit, out);
  close_file(reader);
  if (fill->error) return fill->error;
  if (position < fill->head) {
    /* What is before it was given back: somebody went back. */
    if (position < fill->blocks->position) return UV_EINVAL;
    return peek_blocks(fill, position, limit, out);
  }
  if (fill->has_ended) return UV_EOF;
  weir__link_out(&reader->link);
  weir__link_in(&fill->waiting, &reader->link);
  weir__fill_watch(fill);
  return 0;
}

static void fill_source_close(weir_byte_source_t *bytes) {
  fill_source_t *reader = (fill_source_t *)bytes;
  weir_fill_t *fill = reader->fill;
  close_file(reader);
  weir__link_out(&reader->link);
  weir__fill_passed(fill);
  weir__fill_watch(fill);
  free(reader);
  weir__fill_release(fill);
}

int weir_fill_source_open(weir_byte_source_t **source, weir_fill_t *fill,
                          uint64_t position) {
  static const weir_byte_source_calls_t calls = {.peek = fill_peek,
                                                 .close = fill_source_close};
  fill_source_t *reader = calloc(1, sizeof(*reader));
  if (!reader) return UV_ENOMEM;
  reader->source.calls = &calls;
  reader->fill = fill;
  reader->position = position;
  weir__link_in(&fill->readers, &reader->link);
  fill->users++;
  *source = &reader->source;
  return 0;
}

void weir__fill_wake(weir_fill_t *fill) {
  weir__link_t waiting;
  weir__link_move(&fill->waiting, &waiting);
  while (!weir__link_alone(&waiting)) {
    fill_source_t *reader = WEIR__OWNER(waiting.next, fill_source_t, link);
    weir__link_out(&reader->link);
    if (reader->position >= fill->head && !fill->has_ended && !fill->error) {
      weir__link_in(&fill->waiting, &reader->link);
      continue;
    }
    weir__link_in(&fill->readers, &reader->link);
    if (reader->source.wake) reader->source.wake(reader->source.data);
  }
}

static uint64_t slowest_of(const weir__link_t *list, uint64_t least) {
  const weir__link_t *link;
  for (link = list->next; link != list; link = link->next) {
    const fill_source_t *reader = WEIR__OWNER(link, fill_source_t, link);
    if (reader->position < least) least = reader->position;
  }
  return least;
}

uint64_t weir__fill_slowest(const weir_fill_t *fill) {
  return slowest_of(&fill->waiting, slowest_of(&fill->readers, UINT64_MAX));
}
