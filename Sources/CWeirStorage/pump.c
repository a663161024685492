/*
 * pump.c - bytes between a file and a socket.
 *
 * A pump has one buffer, and fills it from one side and empties it to the
 * other. What waits in the socket meanwhile lets both go on at once. A file is
 * read on the loop's thread when its bytes are in memory (RWF_NOWAIT); all else
 * that is done with it is done on the pool, and the lane sees to it that the
 * pumps of a loop take one thread of it, not all.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include "CWeirStorage.h"

/* Buffers that a pump moves before others have their turn. */
#define WEIR__PUMP_BURST 4

struct weir_lane {
  uv_loop_t *loop;
  uv_work_t work;
  weir_pump_t *first; /* that wait for the pool */
  weir_pump_t *last;
  weir_pump_t *busy; /* that is on it */
  unsigned users;    /* the owner, and the pumps */
};

struct weir_pump {
  weir_lane_t *lane;
  weir_pump_t *next;
  uv_poll_t poll;
  weir_pump_direction_t direction;
  int file;
  int socket;
  int is_queued; /* waits for the pool, or is on it */
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
  size_t sent;
  weir_sha256_t sha;
  void (*on_done)(void *, int);
  void *data;
  void (*on_closed)(void *);
  void *closed_data;
  uint8_t buffer[WEIR_PUMP_BUFFER];
};

static void move_out(weir_pump_t *pump);
static void move_in(weir_pump_t *pump);

/* --- The lane ------------------------------------------------------------ */

weir_lane_t *weir_lane_open(uv_loop_t *loop) {
  weir_lane_t *lane = calloc(1, sizeof(*lane));
  if (!lane) return NULL;
  lane->loop = loop;
  lane->users = 1;
  return lane;
}

void weir_lane_close(weir_lane_t *lane) {
  if (lane && --lane->users == 0) free(lane);
}

/* All of the buffer, or as much as there is. On the pool. */
static int read_file(weir_pump_t *pump) {
  size_t room = sizeof(pump->buffer);
  size_t done = 0;
  if (room > pump->left) room = (size_t)pump->left;
  while (done < room) {
    ssize_t count = pread(pump->file, pump->buffer + done, room - done,
                          (off_t)(pump->offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    if (count == 0) break;
    done += (size_t)count;
  }
  pump->used = done;
  return done == 0 ? UV_EOF : 0;
}

static int write_file(weir_pump_t *pump) {
  size_t done = 0;
  while (done < pump->used) {
    ssize_t count = pwrite(pump->file, pump->buffer + done, pump->used - done,
                           (off_t)(pump->offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    done += (size_t)count;
  }
  if (pump->hashes) weir_sha256_add(&pump->sha, pump->buffer, pump->used);
  return 0;
}

static void on_pool(uv_work_t *work) {
  weir_pump_t *pump = ((weir_lane_t *)work->data)->busy;
  pump->status =
      pump->direction == WEIR_PUMP_OUT ? read_file(pump) : write_file(pump);
}

static void finish(weir_pump_t *pump, int status);
static void release(weir_pump_t *pump);
static void start_work(weir_lane_t *lane);

static void work_done(uv_work_t *work, int status) {
  weir_lane_t *lane = work->data;
  weir_pump_t *pump = lane->busy;
  lane->busy = NULL;
  pump->is_queued = 0;
  if (status < 0) pump->status = status;
  start_work(lane);
  if (pump->is_closing) {
    release(pump);
  } else if (pump->status < 0) {
    finish(pump, pump->status);
  } else if (pump->direction == WEIR_PUMP_OUT) {
    pump->offset += pump->used;
    pump->left -= pump->used;
    move_out(pump);
  } else {
    pump->offset += pump->used;
    pump->moved += pump->used;
    pump->used = 0;
    move_in(pump);
  }
}

static void start_work(weir_lane_t *lane) {
  weir_pump_t *pump = lane->first;
  if (lane->busy || !pump) return;
  lane->first = pump->next;
  if (!lane->first) lane->last = NULL;
  pump->next = NULL;
  lane->busy = pump;
  lane->work.data = lane;
  /* It fails only when it is given nothing to do. */
  uv_queue_work(lane->loop, &lane->work, on_pool, work_done);
}

static void queue_work(weir_pump_t *pump) {
  weir_lane_t *lane = pump->lane;
  pump->is_queued = 1;
  if (lane->last) {
    lane->last->next = pump;
  } else {
    lane->first = pump;
  }
  lane->last = pump;
  start_work(lane);
}

/* Takes it out of those that wait for the pool; 0 when it is on it. */
static int unqueue(weir_pump_t *pump) {
  weir_lane_t *lane = pump->lane;
  weir_pump_t *before = NULL;
  weir_pump_t *at = lane->first;
  while (at && at != pump) {
    before = at;
    at = at->next;
  }
  if (!at) return 0;
  if (before) {
    before->next = pump->next;
  } else {
    lane->first = pump->next;
  }
  if (lane->last == pump) lane->last = before;
  pump->is_queued = 0;
  return 1;
}

/* --- Its end ------------------------------------------------------------- */

static void finish(weir_pump_t *pump, int status) {
  if (pump->is_done) return;
  pump->is_done = 1;
  uv_poll_stop(&pump->poll);
  if (pump->direction == WEIR_PUMP_OUT && status == 0)
    shutdown(pump->socket, SHUT_WR);
  pump->on_done(pump->data, status);
}

static void release(weir_pump_t *pump) {
  weir_lane_t *lane = pump->lane;
  if (pump->is_queued || !pump->poll_closed) return;
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
  if (pump->is_queued) unqueue(pump);
  uv_close((uv_handle_t *)&pump->poll, poll_closed);
}

/* --- Out: from the file to the socket ------------------------------------ */

/* What is in memory; 0 when the pool has to be asked. */
static size_t read_now(weir_pump_t *pump) {
  struct iovec piece = {.iov_base = pump->buffer,
                        .iov_len = sizeof(pump->buffer)};
  ssize_t count;
  if (piece.iov_len > pump->left) piece.iov_len = (size_t)pump->left;
  count = preadv2(pump->file, &piece, 1, (off_t)pump->offset, RWF_NOWAIT);
  return count > 0 ? (size_t)count : 0;
}

static void socket_ready(uv_poll_t *poll, int status, int events) {
  weir_pump_t *pump = poll->data;
  (void)events;
  if (pump->is_done) return;
  if (status < 0) {
    finish(pump, status);
  } else if (pump->direction == WEIR_PUMP_OUT) {
    uv_poll_stop(poll);
    move_out(pump);
  } else {
    move_in(pump);
  }
}

static void move_out(weir_pump_t *pump) {
  int burst = WEIR__PUMP_BURST;
  for (;;) {
    while (pump->sent < pump->used) {
      ssize_t count =
          send(pump->socket, pump->buffer + pump->sent, pump->used - pump->sent,
               MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count >= 0) {
        pump->sent += (size_t)count;
        pump->moved += (uint64_t)count;
      } else if (errno == EAGAIN) {
        uv_poll_start(&pump->poll, UV_WRITABLE, socket_ready);
        return;
      } else if (errno != EINTR) {
        finish(pump, errno == ECONNRESET ? UV_EPIPE : -errno);
        return;
      }
    }
    pump->used = pump->sent = 0;
    if (pump->left == 0) {
      finish(pump, 0);
      return;
    }
    if (--burst == 0) {
      uv_poll_start(&pump->poll, UV_WRITABLE, socket_ready);
      return;
    }
    pump->used = read_now(pump);
    if (pump->used == 0) {
      queue_work(pump);
      return;
    }
    pump->offset += pump->used;
    pump->left -= pump->used;
  }
}

/* --- In: from the socket to the file ------------------------------------- */

static void move_in(weir_pump_t *pump) {
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
    queue_work(pump);
  } else {
    finish(pump, pump->left > 0 ? UV_EOF : 0);
  }
}

/* --- Beginning ----------------------------------------------------------- */

int weir_pump_open(weir_lane_t *lane, weir_pump_t **result,
                   weir_pump_direction_t direction, int file, uint64_t offset,
                   uint64_t length, int socket, void (*done)(void *, int),
                   void *data) {
  int status;
  weir_pump_t *pump = malloc(sizeof(*pump));
  if (!pump) {
    close(socket);
    return UV_ENOMEM;
  }
  memset(pump, 0, offsetof(weir_pump_t, buffer));
  /* libuv makes the socket non-blocking. */
  status = uv_poll_init(lane->loop, &pump->poll, socket);
  if (status < 0) {
    close(socket);
    free(pump);
    return status;
  }
  pump->poll.data = pump;
  pump->lane = lane;
  pump->direction = direction;
  pump->file = file;
  pump->offset = offset;
  pump->left = length;
  pump->socket = socket;
  pump->on_done = done;
  pump->data = data;
  weir_sha256_begin(&pump->sha);
  lane->users++;
  /* From the loop's next turn on: the caller hears of nothing before that. */
  uv_poll_start(&pump->poll,
                direction == WEIR_PUMP_OUT ? UV_WRITABLE : UV_READABLE,
                socket_ready);
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
