/*
 * disk.h - the lanes, and the blocks that were read, as the logs of a loop use
 * them.
 */
#ifndef WEIR_DISK_STATE_H
#define WEIR_DISK_STATE_H

#include "link.h"
#include "weir/disk.h"

#pragma GCC visibility push(hidden)

/* Something that is done by a thread of the pool. */
typedef struct weir__operation {
  weir__link_t link; /* first: a link is its operation */
  int64_t (*work)(struct weir__operation *operation); /* there */
  void (*done)(struct weir__operation *operation);    /* on the loop */
  int64_t result;                                     /* of work */
} weir__operation_t;

typedef enum weir__lane_name {
  WEIR__LANE_WRITE, /* and open, close, unlink */
  WEIR__LANE_READ,
  WEIR__LANES
} weir__lane_name_t;

/* Operations that are run one after the other. */
typedef struct weir__lane {
  weir_disk_t *disk;
  weir__link_t waiting;
  weir__operation_t *running; /* NULL: none */
  uv_work_t work;
} weir__lane_t;

/* Who waits for a block. It leaves by being unlinked. */
typedef struct weir__waiter {
  weir__link_t link; /* first: a link is its waiter */
  void (*ready)(struct weir__waiter *waiter);
} weir__waiter_t;

/* What was, or is being, read from a segment. */
typedef struct weir__kept {
  weir__operation_t read; /* first: an operation is its block */
  weir__link_t waiters;
  struct weir__segment *segment; /* held while it is read; NULL otherwise */
  uint64_t generation;           /* of the files; 0: nothing in it */
  uint64_t position;
  uint32_t length;
  uint64_t used;  /* when, by the disk's count of uses */
  uint8_t *bytes; /* NULL until it is needed first */
} weir__kept_t;

struct weir_disk {
  uint32_t magic;
  uint32_t operations; /* queued, running, or to be told */
  uint8_t closing;
  weir_allocator_t allocator;
  void (*closed)(void *data);
  void *data;
  weir__lane_t lanes[WEIR__LANES];
  uv_timer_t soon;   /* runs while `done` holds any */
  weir__link_t done; /* operations that are over */
  uint64_t generations;
  uint64_t limit;      /* bytes that all files may take */
  uint64_t claimed;    /* that they take once the lane has done its work */
  weir__link_t copies; /* that read from files */

  weir__kept_t blocks[WEIR_DISK_BLOCKS];
  weir__link_t waiters; /* for a block, while all are being read */
  uint64_t uses;
  uint32_t reading; /* blocks being read */

  /* What was read last without waiting: for others at the same position. */
  uint8_t *scratch;
  uint64_t scratch_generation;
  uint64_t scratch_position;
  size_t scratch_length;
};

/* Runs an operation after those that wait in the lane. */
void weir__disk_queue(weir_disk_t *disk, weir__lane_name_t lane,
                      weir__operation_t *operation);

/* Takes one back that has not begun: 1. It is as good as done otherwise. */
int weir__disk_cancel(weir_disk_t *disk, weir__operation_t *operation);

/* Calls an operation's `done` from the loop; nothing is run. */
void weir__disk_soon(weir_disk_t *disk, weir__operation_t *operation);

/* A number that no files of this disk ever had; not 0. */
uint64_t weir__disk_generation(weir_disk_t *disk);

#pragma GCC visibility pop

#endif
