/*
 * fill.c - the bytes of an artefact while it is made.
 *
 *   first          written            head
 *     |  in the file  |  in blocks     |
 *
 * A block is given back when it is in the file, or, where there is none, when
 * the slowest reader is past it. A fill without room waits for that. With a
 * file, nobody is slowed down by another reader, only by the disk; and when
 * that has held readers up for longer than a moment, the owner is told.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "CWeirDownloads.h"
#include "fill_inside.h"

#define NANOSECONDS 1000000u

int weir_fill_open(weir_fill_t **result, weir_fills_t *fills, int file,
                   uint64_t first,
                   void (*event)(void *, weir_fill_event_t, int), void *data) {
  weir_fill_t *fill = calloc(1, sizeof(*fill));
  if (!fill) return UV_ENOMEM;
  fill->fills = fills;
  fills->users++;
  fill->users = 2; /* the owner, and the timer */
  fill->file = file;
  fill->has_file = file >= 0;
  fill->first = fill->head = fill->written = first;
  fill->patience = fills->patience;
  fill->stall_since = uv_hrtime();
  fill->event = event;
  fill->data = data;
  weir__link_init(&fill->ready);
  weir__link_init(&fill->blocked);
  weir__link_init(&fill->to_write);
  weir__link_init(&fill->readers);
  weir__link_init(&fill->waiting);
  uv_timer_init(fills->loop, &fill->timer);
  uv_unref((uv_handle_t *)&fill->timer);
  fill->timer.data = fill;
  *result = fill;
  return 0;
}

static void file_closed(uv_fs_t *request) {
  uv_fs_req_cleanup(request);
  free(request);
}

/* Freeing what a file takes is the disk's time. */
static void close_file(uv_loop_t *loop, int file) {
  uv_fs_t *request = malloc(sizeof(*request));
  if (!request || uv_fs_close(loop, request, file, file_closed) < 0) {
    free(request);
    close(file);
  }
}

static void give_blocks(weir_fill_t *fill) {
  while (fill->blocks) {
    weir__block_t *block = fill->blocks;
    fill->blocks = block->next;
    weir__block_give(fill, block);
  }
  fill->last = NULL;
}

void weir__fill_release(weir_fill_t *fill) {
  if (--fill->users > 0) return;
  weir_fills_t *fills = fill->fills;
  weir__link_out(&fill->ready);
  weir__link_out(&fill->blocked);
  weir__link_out(&fill->to_write);
  give_blocks(fill);
  if (fill->file >= 0) close_file(fills->loop, fill->file);
  free(fill);
  weir_fills_close(fills);
}

static void timer_closed(uv_handle_t *handle) {
  weir__fill_release(handle->data);
}

void weir_fill_close(weir_fill_t *fill) {
  if (!fill || fill->is_closed) return;
  if (!fill->has_ended) weir_fill_stop(fill, UV_ECANCELED);
  fill->is_closed = 1;
  uv_close((uv_handle_t *)&fill->timer, timer_closed);
  weir__fill_release(fill);
}

uint64_t weir_fill_head(const weir_fill_t *fill) {
  return fill->head;
}

uint64_t weir_fill_written(const weir_fill_t *fill) {
  return fill->written;
}

int weir_fill_file(const weir_fill_t *fill) {
  return fill->file;
}

uint32_t weir_fill_crc32(const weir_fill_t *fill) {
  return fill->crc;
}

uint32_t weir_fill_fed_crc32(const weir_fill_t *fill) {
  return fill->fed_crc;
}

/* --- Bytes --------------------------------------------------------------- */

uint8_t *weir__fill_reserve(weir_fill_t *fill, size_t *room, int needed) {
  weir__block_t *block = fill->last;
  uint64_t limit = fill->has_file ? WEIR_FILL_UNWRITTEN : WEIR_FILL_AHEAD;
  if (!block || block->used == WEIR_FILL_BLOCK) {
    uint64_t held = fill->blocks ? fill->head - fill->blocks->position : 0;
    block = needed || held < limit ? weir__block_take(fill, needed) : NULL;
    fill->is_blocked = !block;
    fill->is_full = held >= limit;
    if (!block) return NULL;
    block->position = fill->head;
    if (fill->last) {
      fill->last->next = block;
    } else {
      fill->blocks = block;
    }
    fill->last = block;
  }
  *room = WEIR_FILL_BLOCK - block->used;
  return block->bytes + block->used;
}

void weir__fill_commit(weir_fill_t *fill, size_t count) {
  weir__block_t *block = fill->last;
  fill->crc = weir_crc32(fill->crc, block->bytes + block->used, count);
  block->used += count;
  fill->head += count;
  if (block->used == WEIR_FILL_BLOCK) weir__fill_write(fill);
}

int weir_fill_append(weir_fill_t *fill, const void *bytes, size_t count) {
  const uint8_t *from = bytes;
  while (count > 0) {
    size_t room;
    uint8_t *to = weir__fill_reserve(fill, &room, 1);
    if (!to) return UV_ENOMEM;
    if (room > count) room = count;
    memcpy(to, from, room);
    weir__fill_commit(fill, room);
    from += room;
    count -= room;
  }
  weir__fill_ready(fill);
  return 0;
}

void weir_fill_end(weir_fill_t *fill) {
  if (fill->has_ended || fill->error) return;
  fill->has_ended = 1;
  weir__fill_write(fill);
  weir__fill_ready(fill);
}

void weir_fill_stop(weir_fill_t *fill, int error) {
  if (fill->error) return;
  fill->error = error;
  if (fill->intake) {
    weir__intake_close(fill->intake);
    fill->is_fed = 1;
    fill->fed_status = error;
  }
  weir__link_out(&fill->to_write);
  weir__link_out(&fill->blocked);
  /* What is being written is given back when it is. */
  if (fill->fills->writing != fill) give_blocks(fill);
  weir__fill_ready(fill);
}

/* Without a file: what all have had. */
void weir__fill_passed(weir_fill_t *fill) {
  if (fill->has_file || fill->error) return;
  uint64_t slowest = weir__fill_slowest(fill);
  if (slowest == UINT64_MAX) return;
  while (fill->blocks && fill->blocks->used == WEIR_FILL_BLOCK &&
         fill->blocks->position + WEIR_FILL_BLOCK <= slowest) {
    weir__block_t *block = fill->blocks;
    fill->blocks = block->next;
    if (!fill->blocks) fill->last = NULL;
    weir__block_give(fill, block);
    if (fill->is_blocked) weir__fill_ready(fill);
  }
}

/* --- The file ------------------------------------------------------------ */

void weir__fill_wrote(weir_fill_t *fill, int status, unsigned count) {
  while (count-- > 0) {
    weir__block_t *block = fill->blocks;
    fill->written += block->used;
    fill->blocks = block->next;
    if (!fill->blocks) fill->last = NULL;
    weir__block_give(fill, block);
  }
  weir__fill_ready(fill);
  if (fill->error) {
    give_blocks(fill);
  } else if (status < 0) {
    fill->is_unwritable = 1;
    if (!fill->is_closed) fill->event(fill->data, WEIR_FILL_UNWRITABLE, status);
  } else {
    weir__fill_write(fill);
  }
}

void weir_fill_retry(weir_fill_t *fill) {
  fill->is_unwritable = 0;
  weir__fill_write(fill);
}

/* --- Turns --------------------------------------------------------------- */

static void too_slow(uv_timer_t *timer) {
  weir_fill_t *fill = timer->data;
  if (!fill->is_closed && !fill->error)
    fill->event(fill->data, WEIR_FILL_SLOW, 0);
}

/* Looks at whether readers are held up by the disk. */
void weir__fill_watch(weir_fill_t *fill) {
  int stalled = fill->has_file && !fill->error && fill->is_blocked &&
                fill->is_full && !weir__link_alone(&fill->waiting);
  if (stalled == fill->is_stalled || fill->is_closed) return;
  uint64_t now = uv_hrtime();
  uint64_t elapsed = now - fill->stall_since;
  fill->is_stalled = stalled;
  fill->stall_since = now;
  if (stalled) {
    fill->patience += elapsed / 10;
    if (fill->patience > fill->fills->patience)
      fill->patience = fill->fills->patience;
    uv_timer_start(&fill->timer, too_slow, fill->patience / NANOSECONDS, 0);
  } else {
    fill->patience -= elapsed < fill->patience ? elapsed : fill->patience;
    uv_timer_stop(&fill->timer);
  }
}

void weir__fill_turn(weir_fill_t *fill) {
  if (fill->intake) weir__intake_move(fill->intake);
  weir__fill_wake(fill);
  weir__fill_watch(fill);
  if (fill->is_fed) {
    fill->is_fed = 0;
    if (!fill->is_closed)
      fill->event(fill->data, WEIR_FILL_FED, fill->fed_status);
  }
  if (fill->has_ended && !fill->is_flushed && !fill->error &&
      (!fill->has_file || fill->written == fill->head)) {
    fill->is_flushed = 1;
    if (!fill->is_closed) fill->event(fill->data, WEIR_FILL_FLUSHED, 0);
  }
}
