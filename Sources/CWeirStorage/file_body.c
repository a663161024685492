/*
 * file_body.c - a file that the body of a request or response is.
 *
 * It has two blocks: the transfer uses one while the pool moves the other, so
 * that neither waits for the disk but when the disk is the slower. A block that
 * is given is read ahead; where none is, and the file's bytes are in memory,
 * they are read straight to where they are sent from (RWF_NOWAIT).
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lane.h"

struct weir_file_body {
  weir__turn_t turn; /* first */
  weir_lane_t *lane;
  int file;
  int is_taking;    /* from the transfer into the file */
  int is_held;      /* the transfer waits */
  int is_finishing; /* nothing more is taken */
  int is_closing;
  int is_cold;     /* the file cannot be read without waiting */
  int status;      /* a libuv error, once it has failed */
  uint64_t offset; /* in the file, of what is moved next */
  uint64_t left;   /* that the file, or the transfer, still owes */
  uint64_t moved;
  unsigned at;        /* the block that the transfer uses */
  size_t used[2];     /* bytes in the blocks */
  size_t given;       /* of `at` */
  unsigned turn_at;   /* the block that the pool moves, */
  size_t turn_length; /* how much of it */
  ssize_t result;     /* and how that ended */
  void (*on_event)(void *);
  void *data;
  void (*on_closed)(void *);
  void *closed_data;
  uint8_t blocks[2][WEIR_FILE_BLOCK];
};

static void queue(weir_file_body_t *body, unsigned at, size_t length) {
  body->turn_at = at;
  body->turn_length = length;
  weir__lane_queue(body->lane, &body->turn);
}

/* --- Giving -------------------------------------------------------------- */

static ssize_t read_block(weir_file_body_t *body) {
  size_t done = 0;
  while (done < body->turn_length) {
    ssize_t count =
        pread(body->file, body->blocks[body->turn_at] + done,
              body->turn_length - done, (off_t)(body->offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    if (count == 0) break;
    done += (size_t)count;
  }
  return done > 0 ? (ssize_t)done : UV_EOF;
}

/* Has the next block read, if one is free. */
static void read_ahead(weir_file_body_t *body) {
  unsigned at = body->used[body->at] == 0 ? body->at : !body->at;
  size_t room = WEIR_FILE_BLOCK;
  if (body->turn.is_queued || body->used[at] > 0 || body->left == 0) return;
  if (room > body->left) room = (size_t)body->left;
  queue(body, at, room);
}

static void advance(weir_file_body_t *body, size_t count) {
  body->offset += count;
  body->left -= count;
}

/* What is in memory; 0 when the pool has to be asked. */
static size_t read_now(weir_file_body_t *body, void *to, size_t room) {
  struct iovec piece = {.iov_base = to, .iov_len = room};
  ssize_t count;
  if (body->is_cold) return 0;
  if (room > body->left) piece.iov_len = (size_t)body->left;
  count = preadv2(body->file, &piece, 1, (off_t)body->offset, RWF_NOWAIT);
  if (count < 0 && errno == EOPNOTSUPP) body->is_cold = 1;
  if (count <= 0) return 0;
  advance(body, (size_t)count);
  return (size_t)count;
}

int64_t weir_file_body_give(void *data, void *to, size_t room) {
  weir_file_body_t *body = data;
  size_t count;
  if (body->status < 0) return WEIR_FILE_BODY_FAILED;
  if (body->used[body->at] == 0 && !body->turn.is_queued) {
    count = read_now(body, to, room);
    if (count > 0) {
      body->moved += count;
      return (int64_t)count;
    }
    read_ahead(body);
  }
  if (body->used[body->at] == 0) {
    if (!body->turn.is_queued) return WEIR_FILE_BODY_FAILED; /* no more left */
    body->is_held = 1;
    return WEIR_FILE_BODY_HELD;
  }
  count = body->used[body->at] - body->given;
  if (count > room) count = room;
  memcpy(to, body->blocks[body->at] + body->given, count);
  body->given += count;
  body->moved += count;
  if (body->given == body->used[body->at]) {
    body->used[body->at] = body->given = 0;
    body->at = !body->at;
    if (body->used[body->at] > 0) read_ahead(body);
  }
  return (int64_t)count;
}

/* --- Taking -------------------------------------------------------------- */

/* Has the block in use written, if the pool has none of it. */
static void write_behind(weir_file_body_t *body) {
  unsigned at = body->at;
  int is_due = body->used[at] == WEIR_FILE_BLOCK ||
               (body->is_finishing && body->used[at] > 0);
  if (!is_due || body->turn.is_queued) return;
  body->at = !at;
  queue(body, at, body->used[at]);
}

int weir_file_body_take(void *data, const void *bytes, size_t length) {
  weir_file_body_t *body = data;
  const uint8_t *from = bytes;
  size_t room = WEIR_FILE_BLOCK - body->used[body->at];
  if (!body->turn.is_queued) room += WEIR_FILE_BLOCK;
  if (body->status == 0 && length > body->left) body->status = UV_E2BIG;
  if (body->status < 0) return WEIR_FILE_BODY_FAILED;
  if (length > room) {
    body->is_held = 1;
    return WEIR_FILE_BODY_HELD;
  }
  body->left -= length;
  while (length > 0) {
    size_t count = WEIR_FILE_BLOCK - body->used[body->at];
    if (count > length) count = length;
    memcpy(body->blocks[body->at] + body->used[body->at], from, count);
    body->used[body->at] += count;
    from += count;
    length -= count;
    write_behind(body);
  }
  return 0;
}

void weir_file_body_finish(weir_file_body_t *body) {
  body->is_finishing = 1;
  write_behind(body);
}

int weir_file_body_is_finished(const weir_file_body_t *body) {
  return body->status < 0 || (body->is_finishing && !body->turn.is_queued &&
                              body->used[0] == 0 && body->used[1] == 0);
}

/* --- The pool ------------------------------------------------------------ */

static void work(weir__turn_t *turn) {
  weir_file_body_t *body = (weir_file_body_t *)turn;
  body->result = body->is_taking
                     ? weir__file_write(body->file, body->blocks[body->turn_at],
                                        body->turn_length, body->offset)
                     : read_block(body);
}

static void release(weir_file_body_t *body) {
  weir_lane_t *lane = body->lane;
  if (body->on_closed) body->on_closed(body->closed_data);
  free(body);
  weir_lane_close(lane);
}

static void done(weir__turn_t *turn) {
  weir_file_body_t *body = (weir_file_body_t *)turn;
  int was_held = body->is_held;
  if (body->is_closing) {
    release(body);
    return;
  }
  if (body->result < 0) {
    body->status = (int)body->result;
  } else if (body->is_taking) {
    body->used[body->turn_at] = 0;
    body->offset += body->turn_length;
    body->moved += body->turn_length;
    write_behind(body);
  } else {
    body->used[body->turn_at] = (size_t)body->result;
    advance(body, (size_t)body->result);
    read_ahead(body);
  }
  body->is_held = 0;
  if (was_held || weir_file_body_is_finished(body)) body->on_event(body->data);
}

/* --- Beginning and end --------------------------------------------------- */

weir_file_body_t *weir_file_body_open(weir_lane_t *lane, int is_taking,
                                      int file, uint64_t offset,
                                      uint64_t length,
                                      void (*on_event)(void *data),
                                      void *data) {
  weir_file_body_t *body = malloc(sizeof(*body));
  if (!body) return NULL;
  memset(body, 0, offsetof(weir_file_body_t, blocks));
  body->turn.work = work;
  body->turn.done = done;
  body->lane = lane;
  body->is_taking = is_taking;
  body->file = file;
  body->offset = offset;
  body->left = length;
  body->on_event = on_event;
  body->data = data;
  weir__lane_hold(lane);
  return body;
}

uint64_t weir_file_body_moved(const weir_file_body_t *body) {
  return body->moved;
}

int weir_file_body_status(const weir_file_body_t *body) {
  return body->status;
}

void weir_file_body_close(weir_file_body_t *body, void (*closed)(void *),
                          void *data) {
  if (!body || body->is_closing) return;
  body->is_closing = 1;
  body->on_closed = closed;
  body->closed_data = data;
  if (body->turn.is_queued && !weir__lane_unqueue(body->lane, &body->turn))
    return;
  release(body);
}
