/*
 * pump.c - bytes from a pipe or socket into a file.
 *
 * A pump has one buffer, which it fills from the pipe and has written on the
 * pool. What waits in the pipe meanwhile lets both go on at once.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lane.h"

struct weir_pump {
  weir__turn_t turn; /* first */
  weir_lane_t *lane;
  uv_poll_t poll;
  int file;
  int socket;
  int is_done;
  int is_closing;
  int poll_closed;
  int has_ended; /* the socket */
  int hashes;
  int status;      /* of the work */
  uint64_t offset; /* in the file, of the next byte */
  uint64_t left;   /* that the source still owes */
  uint64_t moved;
  size_t used; /* of the buffer */
  weir_sha256_t sha;
  void (*on_done)(void *, int);
  void *data;
  void (*on_closed)(void *);
  void *closed_data;
  uint8_t buffer[WEIR_PUMP_BUFFER];
};

/* --- Its end ------------------------------------------------------------- */

static void finish(weir_pump_t *pump, int status) {
  if (pump->is_done) return;
  pump->is_done = 1;
  uv_poll_stop(&pump->poll);
  pump->on_done(pump->data, status);
}

static void release(weir_pump_t *pump) {
  weir_lane_t *lane = pump->lane;
  if (pump->turn.is_queued || !pump->poll_closed) return;
  if (pump->on_closed) pump->on_closed(pump->closed_data);
  free(pump);
  weir_lane_close(lane);
}

static void poll_closed(uv_handle_t *handle) {
  weir_pump_t *pump = handle->data;
  pump->poll_closed = 1;
  close(pump->socket);
  pump->socket = -1;
  release(pump);
}

void weir_pump_close(weir_pump_t *pump, void (*closed)(void *), void *data) {
  if (!pump || pump->is_closing) return;
  pump->is_closing = 1;
  pump->is_done = 1;
  pump->on_closed = closed;
  pump->closed_data = data;
  if (pump->turn.is_queued) weir__lane_unqueue(pump->lane, &pump->turn);
  uv_close((uv_handle_t *)&pump->poll, poll_closed);
}

/* --- Moving -------------------------------------------------------------- */

static void move(weir_pump_t *pump);

static void write_buffer(weir__turn_t *turn) {
  weir_pump_t *pump = (weir_pump_t *)turn;
  pump->status =
      weir__file_write(pump->file, pump->buffer, pump->used, pump->offset);
  if (pump->status == 0 && pump->hashes)
    weir_sha256_add(&pump->sha, pump->buffer, pump->used);
}

static void written(weir__turn_t *turn) {
  weir_pump_t *pump = (weir_pump_t *)turn;
  if (pump->is_closing) {
    release(pump);
  } else if (pump->status < 0) {
    finish(pump, pump->status);
  } else {
    pump->offset += pump->used;
    pump->moved += pump->used;
    pump->used = 0;
    move(pump);
  }
}

static void socket_ready(uv_poll_t *poll, int status, int events) {
  weir_pump_t *pump = poll->data;
  (void)events;
  if (pump->is_done) return;
  if (status < 0) {
    finish(pump, status);
  } else {
    move(pump);
  }
}

static void move(weir_pump_t *pump) {
  while (pump->left > 0 && !pump->has_ended &&
         pump->used < sizeof(pump->buffer)) {
    size_t room = sizeof(pump->buffer) - pump->used;
    ssize_t count;
    if (room > pump->left) room = (size_t)pump->left;
    count = read(pump->socket, pump->buffer + pump->used, room);
    if (count > 0) {
      pump->used += (size_t)count;
      pump->left -= (uint64_t)count;
    } else if (count == 0) {
      pump->has_ended = 1;
    } else if (errno == EAGAIN) {
      uv_poll_start(&pump->poll, UV_READABLE, socket_ready);
      return;
    } else if (errno != EINTR) {
      finish(pump, -errno);
      return;
    }
  }
  uv_poll_stop(&pump->poll);
  if (pump->used > 0) {
    weir__lane_queue(pump->lane, &pump->turn);
  } else {
    finish(pump, pump->left > 0 ? UV_EOF : 0);
  }
}

/* --- Beginning ----------------------------------------------------------- */

int weir_pump_open(weir_lane_t *lane, weir_pump_t **result, int file,
                   uint64_t offset, uint64_t length, int socket,
                   void (*done)(void *, int), void *data) {
  int status;
  weir_pump_t *pump = malloc(sizeof(*pump));
  if (!pump) {
    close(socket);
    return UV_ENOMEM;
  }
  memset(pump, 0, offsetof(weir_pump_t, buffer));
  /* libuv makes the socket non-blocking. */
  status = uv_poll_init(weir__lane_loop(lane), &pump->poll, socket);
  if (status < 0) {
    close(socket);
    free(pump);
    return status;
  }
  pump->turn.work = write_buffer;
  pump->turn.done = written;
  pump->poll.data = pump;
  pump->lane = lane;
  pump->file = file;
  pump->offset = offset;
  pump->left = length;
  pump->socket = socket;
  pump->on_done = done;
  pump->data = data;
  weir_sha256_begin(&pump->sha);
  weir__lane_hold(lane);
  /* From the loop's next turn on: the caller hears of nothing before that. */
  uv_poll_start(&pump->poll, UV_READABLE, socket_ready);
  *result = pump;
  return 0;
}

void weir_pump_digests(weir_pump_t *pump) {
  pump->hashes = 1;
}

void weir_pump_digest(weir_pump_t *pump, uint8_t digest[WEIR_SHA256_SIZE]) {
  weir_sha256_end(&pump->sha, digest);
}

uint64_t weir_pump_moved(const weir_pump_t *pump) {
  return pump->moved;
}
