/* fill_inside.h - what the files of a fill share. */
#ifndef WEIR_FILL_INSIDE_H
#define WEIR_FILL_INSIDE_H

#include <byte_source.h>
#include <uv.h>

#include "fill.h"

#pragma GCC visibility push(hidden)

/* A ring of links with its owner as its head. */
typedef struct weir__link {
  struct weir__link *next;
  struct weir__link *before;
} weir__link_t;

#define WEIR__OWNER(link, type, member) \
  ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void weir__link_init(weir__link_t *link) {
  link->next = link->before = link;
}

static inline int weir__link_alone(const weir__link_t *link) {
  return link->next == link;
}

static inline void weir__link_out(weir__link_t *link) {
  link->before->next = link->next;
  link->next->before = link->before;
  weir__link_init(link);
}

/* At the end of a list. */
static inline void weir__link_in(weir__link_t *list, weir__link_t *link) {
  link->before = list->before;
  link->next = list;
  list->before->next = link;
  list->before = link;
}

/* Puts all of a list into another, empty one. */
static inline void weir__link_move(weir__link_t *from, weir__link_t *to) {
  weir__link_init(to);
  if (weir__link_alone(from)) return;
  *to = *from;
  to->next->before = to;
  to->before->next = to;
  weir__link_init(from);
}

typedef struct weir__block {
  struct weir__block *next;
  uint64_t position; /* of its first byte */
  size_t used;
  uint8_t bytes[WEIR_FILL_BLOCK];
} weir__block_t;

typedef struct weir__intake weir__intake_t;

struct weir_fills {
  uv_loop_t *loop;
  struct weir_shelf *shelf;
  uv_idle_t idle;
  unsigned users; /* the owner, and the fills */
  int is_closing;
  weir__link_t ready;   /* fills with something to do in the next turn */
  weir__link_t blocked; /* fills that wait for others' blocks */
  unsigned blocks;
  uint64_t patience; /* nanoseconds that readers may wait for the disk */
  weir_fill_write_t write;
  void *write_data;
  /* Writing, one fill after the other. */
  uv_work_t write_work;
  weir__link_t to_write;
  weir_fill_t *writing;
  weir__block_t *write_blocks[WEIR_FILL_WRITTEN_AT_ONCE];
  unsigned write_count;
  int write_status;
  size_t write_done; /* whole blocks */
  /* Reading what is not in the page cache. */
  uv_work_t read_work;
  weir__link_t to_read;
  weir__intake_t *reading;
  ssize_t read_status;
  size_t read_room;
  uint8_t cold[WEIR_FILL_BLOCK];
};

struct weir_fill {
  weir_fills_t *fills;
  unsigned users; /* owner, sources, intakes, writing, timer */
  int file;
  int has_file;
  int is_closed; /* by its owner */
  int has_ended;
  int error;
  int is_flushed; /* was told */
  int is_unwritable;
  int is_fed; /* to be told */
  int fed_status;
  uint32_t fed_crc;
  uint32_t crc;
  uint64_t first;
  uint64_t head;
  uint64_t written;
  weir__block_t *blocks;
  weir__block_t *last;
  unsigned block_count;
  weir__intake_t *intake;
  weir__link_t ready;    /* in fills->ready */
  weir__link_t blocked;  /* in fills->blocked */
  weir__link_t to_write; /* in fills->to_write */
  weir__link_t readers;  /* that are not waiting */
  weir__link_t waiting;  /* for bytes behind the head */
  /* How long readers have been held up. */
  uv_timer_t timer;
  int is_blocked;
  int is_full; /* by its own bytes that are not written yet */
  int is_stalled;
  uint64_t stall_since; /* nanoseconds; or when the last one ended */
  uint64_t patience;    /* nanoseconds that are left */
  void (*event)(void *data, weir_fill_event_t event, int status);
  void *data;
};

struct weir__intake {
  weir_fill_t *fill;
  weir__link_t to_read; /* in fills->to_read */
  uv_poll_t poll;
  int has_poll;
  int is_file;
  int is_closing;
  int is_cold; /* waits for the pool, or is on it */
  int descriptor;
  uint64_t offset;
  size_t span;
  size_t span_count;
  weir_fill_span_t spans[]; /* what is left of them */
};

/* fills.c */
void weir__fill_ready(weir_fill_t *fill);
void weir__fill_write(weir_fill_t *fill);
void weir__intake_cold(weir__intake_t *intake);
weir__block_t *weir__block_take(weir_fill_t *fill, int needed);
void weir__block_give(weir_fill_t *fill, weir__block_t *block);

/* fill.c */
void weir__fill_turn(weir_fill_t *fill);
void weir__fill_release(weir_fill_t *fill);
void weir__fill_wrote(weir_fill_t *fill, int status, unsigned count);
uint8_t *weir__fill_reserve(weir_fill_t *fill, size_t *room, int needed);
void weir__fill_commit(weir_fill_t *fill, size_t count);
void weir__fill_passed(weir_fill_t *fill);
void weir__fill_watch(weir_fill_t *fill);

/* fill_intake.c */
void weir__intake_move(weir__intake_t *intake);
void weir__intake_read(weir__intake_t *intake, ssize_t count);
void weir__intake_close(weir__intake_t *intake);

/* fill_source.c */
void weir__fill_wake(weir_fill_t *fill);
/* The least position of its readers; UINT64_MAX without any. */
uint64_t weir__fill_slowest(const weir_fill_t *fill);

#pragma GCC visibility pop

#endif
