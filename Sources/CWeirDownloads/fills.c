/*
 * fills.c - what the fills of a loop share.
 *
 * Nothing that moves bytes is done where it becomes possible, but in the loop's
 * next turn, fill by fill: so nobody is called from within a call, and a fill
 * whose pages are all in memory does not have the loop to itself.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fill_inside.h"

/* Fills that move a burst in one turn. */
#define FILLS_IN_A_TURN 4

static void take_turns(uv_idle_t *idle);

/* --- Beginning and end --------------------------------------------------- */

void weir_fills_set_patience(weir_fills_t *fills, unsigned milliseconds) {
  fills->patience = milliseconds * UINT64_C(1000000);
}

weir_fills_t *weir_fills_open(uv_loop_t *loop, weir_fill_write_t write,
                              void *data) {
  weir_fills_t *fills = calloc(1, sizeof(*fills));
  if (!fills) return NULL;
  fills->shelf = weir_shelf_open(loop);
  if (!fills->shelf) {
    free(fills);
    return NULL;
  }
  fills->loop = loop;
  fills->users = 1;
  fills->write = write;
  fills->write_data = data;
  weir_fills_set_patience(fills, WEIR_FILL_PATIENCE);
  fills->write_work.data = fills;
  fills->read_work.data = fills;
  weir__link_init(&fills->ready);
  weir__link_init(&fills->blocked);
  weir__link_init(&fills->to_write);
  weir__link_init(&fills->to_read);
  uv_idle_init(loop, &fills->idle);
  fills->idle.data = fills;
  return fills;
}

static void idle_closed(uv_handle_t *handle) {
  weir_fills_t *fills = handle->data;
  weir_shelf_close(fills->shelf);
  free(fills);
}

void weir_fills_close(weir_fills_t *fills) {
  if (!fills || --fills->users > 0) return;
  uv_close((uv_handle_t *)&fills->idle, idle_closed);
}

unsigned weir_fills_blocks(const weir_fills_t *fills) {
  return fills->blocks;
}

int weir_fills_file(weir_fills_t *fills, weir_byte_source_t **source, int file,
                    uint64_t length) {
  return weir_file_source_open(source, fills->shelf, file, length);
}

/* --- Turns --------------------------------------------------------------- */

void weir__fill_ready(weir_fill_t *fill) {
  weir_fills_t *fills = fill->fills;
  if (!weir__link_alone(&fill->ready)) return;
  weir__link_in(&fills->ready, &fill->ready);
  uv_idle_start(&fills->idle, take_turns);
}

static void take_turns(uv_idle_t *idle) {
  weir_fills_t *fills = idle->data;
  int turns = FILLS_IN_A_TURN;
  /* The last fill's end may be the owner's as well. */
  fills->users++;
  while (turns-- > 0 && !weir__link_alone(&fills->ready)) {
    weir_fill_t *fill = WEIR__OWNER(fills->ready.next, weir_fill_t, ready);
    weir__link_out(&fill->ready);
    fill->users++;
    weir__fill_turn(fill);
    weir__fill_release(fill);
  }
  if (weir__link_alone(&fills->ready)) uv_idle_stop(&fills->idle);
  weir_fills_close(fills);
}

/* --- Blocks -------------------------------------------------------------- */

weir__block_t *weir__block_take(weir_fill_t *fill, int needed) {
  weir_fills_t *fills = fill->fills;
  weir__block_t *block;
  if (!needed && fills->blocks >= WEIR_FILL_BLOCKS && fill->block_count > 0) {
    if (weir__link_alone(&fill->blocked))
      weir__link_in(&fills->blocked, &fill->blocked);
    return NULL;
  }
  block = malloc(sizeof(*block));
  if (!block) return NULL;
  block->next = NULL;
  block->used = 0;
  fills->blocks++;
  fill->block_count++;
  return block;
}

void weir__block_give(weir_fill_t *fill, weir__block_t *block) {
  weir_fills_t *fills = fill->fills;
  free(block);
  fills->blocks--;
  fill->block_count--;
  if (fills->blocks < WEIR_FILL_BLOCKS && !weir__link_alone(&fills->blocked)) {
    weir_fill_t *next = WEIR__OWNER(fills->blocked.next, weir_fill_t, blocked);
    weir__link_out(&next->blocked);
    weir__fill_ready(next);
  }
}

/* --- Writing ------------------------------------------------------------- */

static void next_write(weir_fills_t *fills);

static ssize_t put(weir_fills_t *fills, int file, const uint8_t *bytes,
                   size_t count, off_t offset) {
  return fills->write
             ? fills->write(fills->write_data, file, bytes, count, offset)
             : pwrite(file, bytes, count, offset);
}

/* On the pool. */
static void write_blocks(uv_work_t *work) {
  weir_fills_t *fills = work->data;
  weir_fill_t *fill = fills->writing;
  unsigned i;
  for (i = 0; i < fills->write_count; i++) {
    const weir__block_t *block = fills->write_blocks[i];
    size_t done = 0;
    while (done < block->used) {
      ssize_t count =
          put(fills, fill->file, block->bytes + done, block->used - done,
              (off_t)(block->position - fill->first + done));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        fills->write_status = count < 0 ? -errno : UV_ENOSPC;
        return;
      }
      done += (size_t)count;
    }
    fills->write_done++;
  }
}

static void blocks_written(uv_work_t *work, int status) {
  weir_fills_t *fills = work->data;
  weir_fill_t *fill = fills->writing;
  unsigned done = (unsigned)fills->write_done;
  if (status == 0) status = fills->write_status;
  fills->writing = NULL;
  weir__fill_wrote(fill, status, done);
  next_write(fills);
  weir__fill_release(fill);
}

static void next_write(weir_fills_t *fills) {
  weir_fill_t *fill;
  weir__block_t *block;
  if (fills->writing || weir__link_alone(&fills->to_write)) return;
  fill = WEIR__OWNER(fills->to_write.next, weir_fill_t, to_write);
  weir__link_out(&fill->to_write);
  fills->write_count = 0;
  for (block = fill->blocks;
       block && fills->write_count < WEIR_FILL_WRITTEN_AT_ONCE;
       block = block->next) {
    if (block->used < WEIR_FILL_BLOCK && !fill->has_ended) break;
    fills->write_blocks[fills->write_count++] = block;
  }
  fills->writing = fill;
  fills->write_status = 0;
  fills->write_done = 0;
  fill->users++;
  /* It fails only when it is given nothing to do. */
  uv_queue_work(fills->loop, &fills->write_work, write_blocks, blocks_written);
}

void weir__fill_write(weir_fill_t *fill) {
  if (!fill->has_file || fill->error || fill->is_unwritable || !fill->blocks ||
      fill->fills->writing == fill || !weir__link_alone(&fill->to_write))
    return;
  if (fill->blocks->used < WEIR_FILL_BLOCK && !fill->has_ended) return;
  weir__link_in(&fill->fills->to_write, &fill->to_write);
  next_write(fill->fills);
}

/* --- Reading what is not in memory --------------------------------------- */

static void next_read(weir_fills_t *fills);

/* On the pool. */
static void read_cold(uv_work_t *work) {
  weir_fills_t *fills = work->data;
  weir__intake_t *intake = fills->reading;
  do
    fills->read_status = pread(intake->descriptor, fills->cold,
                               fills->read_room, (off_t)intake->offset);
  while (fills->read_status < 0 && errno == EINTR);
  if (fills->read_status < 0) fills->read_status = -errno;
}

static void cold_read(uv_work_t *work, int status) {
  weir_fills_t *fills = work->data;
  weir__intake_t *intake = fills->reading;
  fills->reading = NULL;
  fills->users++;
  weir__intake_read(intake, status < 0 ? status : fills->read_status);
  next_read(fills);
  weir_fills_close(fills);
}

static void next_read(weir_fills_t *fills) {
  if (fills->reading || weir__link_alone(&fills->to_read)) return;
  weir__intake_t *intake =
      WEIR__OWNER(fills->to_read.next, weir__intake_t, to_read);
  uint64_t left = intake->spans[intake->span].count;
  weir__block_t *last = intake->fill->last;
  weir__link_out(&intake->to_read);
  fills->reading = intake;
  fills->read_room = WEIR_FILL_BLOCK - last->used;
  if (fills->read_room > left) fills->read_room = (size_t)left;
  uv_queue_work(fills->loop, &fills->read_work, read_cold, cold_read);
}

void weir__intake_cold(weir__intake_t *intake) {
  intake->is_cold = 1;
  weir__link_in(&intake->fill->fills->to_read, &intake->to_read);
  next_read(intake->fill->fills);
}
