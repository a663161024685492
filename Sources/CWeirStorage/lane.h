/* lane.h - turns of the files of a store on its loop's pool. */
#ifndef WEIR_LANE_H
#define WEIR_LANE_H

#include <uv.h>

#include "CWeirStorage.h"

#pragma GCC visibility push(hidden)

/* One piece of work, again and again; part of what it is for. */
typedef struct weir__turn {
  struct weir__turn *next;
  int is_queued;                         /* waits for the pool, or is on it */
  void (*work)(struct weir__turn *turn); /* on the pool */
  void (*done)(struct weir__turn *turn); /* on the loop; may free it */
} weir__turn_t;

/* One user more: what has turns holds its lane. */
void weir__lane_hold(weir_lane_t *lane);
uv_loop_t *weir__lane_loop(const weir_lane_t *lane);

/* Not while it is queued. */
void weir__lane_queue(weir_lane_t *lane, weir__turn_t *turn);
/* Takes it out of those that wait; 0 when it is on the pool. O(waiting). */
int weir__lane_unqueue(weir_lane_t *lane, weir__turn_t *turn);

/* All of the bytes, at that place: 0, or a libuv error. On the pool. */
int weir__file_write(int file, const uint8_t *bytes, size_t length,
                     uint64_t offset);

#pragma GCC visibility pop

#endif
