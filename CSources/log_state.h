/* log_state.h - a log as its own parts see it. */
#ifndef WEIR_LOG_STATE_H
#define WEIR_LOG_STATE_H

#include "disk.h"
#include "weir/log.h"

#pragma GCC visibility push(hidden)

struct weir_log {
  uint32_t magic;
  uint32_t unit;
  size_t capacity;
  uint64_t written;
  uint64_t touched;
  size_t offset;   /* of `written` in the ring */
  size_t reserved; /* bytes handed out by reserve */
  unsigned char *ring;
  struct weir__files *files; /* NULL: the log has none */
  weir_allocator_t allocator;
};

/* A file of the log: the bytes from `base` on, `size` of them once it is full.
 * While anybody holds it, it stays open. */
typedef struct weir__segment {
  weir__link_t link; /* first: a link is its segment */
  struct weir__files *files;
  weir__operation_t end; /* unlinks it, then closes it */
  uint64_t base;
  uint64_t size;
  uint64_t length;  /* written */
  uint64_t claimed; /* with what is on its way; until its space is given back */
  uint32_t holds;
  int fd;           /* -1: not created yet */
  uint8_t is_there; /* it takes, or may take, space on the disk */
  uint8_t is_free;  /* nobody held it when it left the tier */
} weir__segment_t;

/* Bytes on their way to a segment. */
typedef struct weir__stage {
  weir__operation_t write; /* first: an operation is its stage */
  weir__segment_t *segment;
  uint64_t generation;
  uint64_t position;
  uint32_t length;
  uint8_t busy; /* full, and with the disk */
  uint8_t *bytes;
} weir__stage_t;

/* Most segments of a log: in its tier, and with those that are going. The size
 * of new ones changes with `max`, so that small old ones may be many. */
#define WEIR__SEGMENTS_KEPT (2u * WEIR_LOG_FILES_SEGMENTS)
#define WEIR__SEGMENTS      (2u * WEIR__SEGMENTS_KEPT)

/* The file tier. */
typedef struct weir__files {
  weir_log_t *log; /* NULL once it is closed */
  weir_disk_t *disk;
  weir_log_files_options_t options;
  weir_allocator_t allocator;
  void (*closed)(void *data);
  void *closed_data;
  uint64_t tail;
  uint64_t head;       /* what is written ends here, */
  uint64_t staged;     /* and what is copied to be written here */
  uint64_t generation; /* another one after each restart */
  uint32_t uses;       /* by the log, segments, operations */
  uint64_t claimed;    /* by all its segments */
  uint32_t block;      /* bytes in a stage */
  weir__stage_t stages[2];
  uint8_t filling; /* the stage that is next to be full */
  uint8_t is_late; /* too slow, and nothing written since */
  uint8_t is_off;
  uint8_t noticed;   /* on_restart is about to be called */
  uint32_t failures; /* since anything was written */
  int error;
  uint64_t lost;
  uint64_t written;
  uint64_t rotations;
  uint64_t restarts;
  weir__operation_t notice; /* calls on_restart; closes the directory */
  weir__link_t live;        /* segments of the tier, oldest first */
  weir__link_t idle;        /* segments not in use */
  weir__segment_t segments[WEIR__SEGMENTS];
} weir__files_t;

/* ---- log_files.c ---- */

/* The log reserved memory: may have left the files behind. */
void weir__files_reserved(weir__files_t *files);

/* The log has more bytes, or a segment is free: copies what it can for the
 * disk. */
void weir__files_stage(weir__files_t *files);

/* Begins again at head: the disk is too slow (0), or failed. */
void weir__files_restart(weir__files_t *files, int error);

/* Somebody uses it no more. */
void weir__files_release(weir__files_t *files);

/* ---- log_segment.c ---- */

/* Puts an empty one at the end of the tier; NULL when too many exist. Nothing
 * is created before the first write. */
weir__segment_t *weir__segment_begin(weir__files_t *files, uint64_t base,
                                     uint64_t size);

/* The one that holds a position in [tail, head). O(segments). */
weir__segment_t *weir__segment_at(const weir__files_t *files,
                                  uint64_t position);

/* Takes it out of the tier; it goes when nobody holds it. */
void weir__segment_drop(weir__segment_t *segment);

/* Whether it was taken out. */
int weir__segment_is_cut(const weir__segment_t *segment);

/* Bytes for it are about to be queued. They count until the file's closing is
 * queued: in the order of the lane, that is when their space is free. */
void weir__segment_claim(weir__segment_t *segment, uint32_t bytes);

void weir__segment_hold(weir__segment_t *segment);
void weir__segment_release(weir__segment_t *segment);

/* On a thread of the pool. All of `length`, or a negative error. */
int64_t weir__segment_write(weir__segment_t *segment, uint64_t position,
                            const uint8_t *bytes, size_t length);
int64_t weir__segment_read(const weir__segment_t *segment, uint64_t position,
                           uint8_t *bytes, size_t length);

/* On the loop: what can be read without waiting; UV_EAGAIN for nothing. */
int64_t weir__segment_read_now(const weir__segment_t *segment,
                               uint64_t position, uint8_t *bytes,
                               size_t length);

/* ---- log_read.c ---- */

/* The disk's copies of what was cut off are over: they are behind. A step that
 * is being read holds its segment until then. */
void weir__copies_cut(weir_disk_t *disk);

/* ---- log_show.c ---- */

/* Blocks of what was cut off are not read any more, and whoever waited is
 * told; except for one that is being read. */
void weir__blocks_cut(weir_disk_t *disk);

/*
 * Bytes of the file tier from a position between its tail and the ring: sets
 * *bytes, valid until the loop turns, and returns how many whole units, at most
 * `limit`. 0: they are being read, and `waiter` is told when there is reason
 * to ask again, or, where it is in no list, it asks later by itself. A negative
 * error when the tier does not have them, or has lost them by now.
 */
int64_t weir__log_show(weir_log_t *log, uint64_t position, size_t limit,
                       const uint8_t **bytes, weir__waiter_t *waiter);

#pragma GCC visibility pop

#endif
