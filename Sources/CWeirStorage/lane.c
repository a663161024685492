/* lane.c - one thread of the pool for all the files of a store. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lane.h"

struct weir_lane {
  uv_loop_t *loop;
  uv_work_t work;
  weir__turn_t *first; /* that wait for the pool */
  weir__turn_t *last;
  weir__turn_t *busy; /* that is on it */
  unsigned users;     /* the owner, and what has turns */
};

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

void weir__lane_hold(weir_lane_t *lane) {
  lane->users++;
}

uv_loop_t *weir__lane_loop(const weir_lane_t *lane) {
  return lane->loop;
}

static void start_work(weir_lane_t *lane);

static void on_pool(uv_work_t *work) {
  weir__turn_t *turn = ((weir_lane_t *)work->data)->busy;
  turn->work(turn);
}

/* Nobody cancels the work: it has been done. */
static void work_done(uv_work_t *work, int status) {
  weir_lane_t *lane = work->data;
  weir__turn_t *turn = lane->busy;
  (void)status;
  lane->busy = NULL;
  turn->is_queued = 0;
  start_work(lane);
  turn->done(turn);
}

static void start_work(weir_lane_t *lane) {
  weir__turn_t *turn = lane->first;
  if (lane->busy || !turn) return;
  lane->first = turn->next;
  if (!lane->first) lane->last = NULL;
  turn->next = NULL;
  lane->busy = turn;
  lane->work.data = lane;
  /* It fails only when it is given nothing to do. */
  uv_queue_work(lane->loop, &lane->work, on_pool, work_done);
}

void weir__lane_queue(weir_lane_t *lane, weir__turn_t *turn) {
  turn->is_queued = 1;
  turn->next = NULL;
  if (lane->last) {
    lane->last->next = turn;
  } else {
    lane->first = turn;
  }
  lane->last = turn;
  start_work(lane);
}

int weir__lane_unqueue(weir_lane_t *lane, weir__turn_t *turn) {
  weir__turn_t *before = NULL;
  weir__turn_t *at = lane->first;
  while (at && at != turn) {
    before = at;
    at = at->next;
  }
  if (!at) return 0;
  if (before) {
    before->next = turn->next;
  } else {
    lane->first = turn->next;
  }
  if (lane->last == turn) lane->last = before;
  turn->is_queued = 0;
  return 1;
}

int weir__file_write(int file, const uint8_t *bytes, size_t length,
                     uint64_t offset) {
  size_t done = 0;
  while (done < length) {
    ssize_t count =
        pwrite(file, bytes + done, length - done, (off_t)(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    done += (size_t)count;
  }
  return 0;
}
