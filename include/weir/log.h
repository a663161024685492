/*
 * log.h - an append-only run of bytes with absolute 64-bit positions.
 *
 * One writer, many cursors. Bytes are appended at `head`; every reader is a
 * position. Positions start at 0, only grow and never restart, so a position
 * names the same byte for as long as the log lives.
 *
 * A log has up to two tiers that the same positions address:
 *
 *     file tier (optional)                ring (memory)
 *   tail ................ ring_tail ............................ head
 *
 * The writer puts bytes straight into the ring (reserve, commit). Readers
 * look at it (peek) and must be done with the memory before they return to
 * the loop: ring memory is overwritten as the log moves on, so it is never
 * handed to anything that reads it later (uv_write, sendfile, MSG_ZEROCOPY).
 *
 * Positions are counted in bytes. `unit` is the size of what may not be cut:
 * a PCM frame, a transport stream packet, or 1. The ring's capacity is a
 * multiple of it, so that a unit never straddles the end of the ring. Readers
 * are shown whole units only; the rest waits until its unit is complete.
 */
#ifndef WEIR_LOG_H
#define WEIR_LOG_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "allocator.h"
#include "disk.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_LOG_DEFAULT_CAPACITY ((size_t)1 << 20) /* bytes: 1 MiB */
#define WEIR_LOG_MAX_CAPACITY     ((size_t)1 << 30) /* bytes: 1 GiB */
#define WEIR_LOG_MAX_UNIT         4096u             /* bytes */

typedef struct weir_log weir_log_t;

typedef struct weir_log_options {
  size_t size;
  /* Bytes the ring holds, at least 16 units, at most WEIR_LOG_MAX_CAPACITY;
   * rounded down to a multiple of unit. Default WEIR_LOG_DEFAULT_CAPACITY. */
  size_t capacity;
  /* Bytes in one unit, 1 ... WEIR_LOG_MAX_UNIT. Default 1. */
  uint32_t unit;
  const weir_allocator_t *allocator; /* NULL: malloc, free */
} weir_log_options_t;

/* Where a position lies. */
typedef enum weir_log_tier {
  WEIR_TIER_BEHIND, /* older than the log keeps */
  WEIR_TIER_FILE,   /* in the file tier, and not in memory */
  WEIR_TIER_RING,   /* in memory, or exactly at head */
  WEIR_TIER_AHEAD   /* not written yet */
} weir_log_tier_t;

/* Creates an empty log at position 0. UV_ENOMEM, WEIR_EOPTION. */
WEIR_EXTERN WEIR_NODISCARD int weir_log_create(
    weir_log_t **log, const weir_log_options_t *options);

/* Frees it. Nothing may use the log any more; NULL is a no-op. */
WEIR_EXTERN void weir_log_destroy(weir_log_t *log);

/* Bytes the ring holds, a multiple of the unit. */
WEIR_EXTERN size_t weir_log_capacity(const weir_log_t *log);

/* Bytes in a unit. */
WEIR_EXTERN uint32_t weir_log_unit(const weir_log_t *log);

/* The position after the last whole unit: what readers can reach. */
WEIR_EXTERN uint64_t weir_log_head(const weir_log_t *log);

/* The position after the last byte, which may lie inside a unit. */
WEIR_EXTERN uint64_t weir_log_written(const weir_log_t *log);

/* The oldest position that can be read, a multiple of the unit. */
WEIR_EXTERN uint64_t weir_log_tail(const weir_log_t *log);

/* The oldest position in memory; equals tail while the file tier is empty. */
WEIR_EXTERN uint64_t weir_log_ring_tail(const weir_log_t *log);

/* Which tier holds a position. O(1). */
WEIR_EXTERN weir_log_tier_t weir_log_where(const weir_log_t *log,
                                           uint64_t position);

/* The greatest unit boundary <= position. */
WEIR_EXTERN uint64_t weir_log_align(const weir_log_t *log, uint64_t position);

/*
 * Memory for the next bytes: a contiguous run in the ring that starts at
 * weir_log_written(). Returns its length, which is > 0, at most `wanted`, at
 * most half the ring, and shorter where the ring wraps; sets *memory.
 *
 * From here until commit the oldest bytes of the ring are not readable. The
 * caller writes from the start of the run and commits, without returning to
 * the loop in between; what it does not commit it has not written either, as
 * those bytes are readable again. A second reserve before commit replaces the
 * first.
 */
WEIR_EXTERN size_t weir_log_reserve(weir_log_t *log, size_t wanted,
                                    void **memory);

/* Appends the first `bytes` of what was reserved; 0 gives it back. At most
 * what reserve returned: WEIR_EOPTION otherwise, and nothing is appended. */
WEIR_EXTERN int weir_log_commit(weir_log_t *log, size_t bytes);

/* Appends a copy. Longer runs than the ring leave its last bytes. */
WEIR_EXTERN void weir_log_append(weir_log_t *log, const void *bytes,
                                 size_t length);

/*
 * Drops an incomplete unit at the end, as when a source goes away in the
 * middle of one: written becomes head. No reader has seen those bytes.
 * Returns how many were dropped.
 */
WEIR_EXTERN uint32_t weir_log_trim(weir_log_t *log);

/*
 * The bytes from `position` (any byte of a unit) to head, at most `limit`, as
 * one or two pieces in the ring; sets *pieces to 0, 1 or 2. Returns their
 * sum; 0 at head. WEIR_EBEHIND when the position is older than ring_tail,
 * WEIR_EAHEAD when it is newer than head. The memory is valid until the next
 * reserve or append. O(1).
 */
WEIR_EXTERN WEIR_NODISCARD int64_t weir_log_peek(const weir_log_t *log,
                                                 uint64_t position,
                                                 size_t limit,
                                                 struct iovec iov[2],
                                                 int *pieces);

/*
 * ---- the file tier ----
 *
 * The log's last bytes, kept in segment files. They are copied from the ring
 * into one of two staging blocks as they are written, and written to the file
 * by the disk's lane, one block at a time. The range in the files is contiguous
 * and meets the ring: when the disk is so slow that it would not, or fails, the
 * tier empties and restarts at head, and live readers do not notice.
 *
 * A block is written when it is full, so the files' head is up to two blocks
 * behind the log's, and what is between lies in the ring. A block holds
 * WEIR_DISK_BLOCK bytes, or a quarter of a small ring; whole units.
 *
 * Segments are named by the position of their first byte, sixteen hexadecimal
 * digits, in a directory of the log's own. Rotation moves the tail and unlinks
 * the segments wholly below it; nothing is read, rewritten or punched. A name
 * that exists already is an error, and is left alone.
 *
 * Room is made before bytes are written: the files never take more than max and
 * one segment, those included that are unlinked and still read, by a copy or
 * for a listener who was there. While one of them is in the way nothing is
 * written, for as long as half of the ring can wait. Then what was cut off can
 * be read no more: copies of it end, listeners in it skip. What a thread is
 * reading at that moment, one segment at most, keeps its space until it is
 * done, and as much less is kept of the log.
 */

#define WEIR_LOG_FILES_MIN      ((uint64_t)1 << 20) /* bytes: 1 MiB */
#define WEIR_LOG_FILES_SEGMENTS 8u /* a segment holds max / this */

typedef struct weir_log_files_options {
  size_t size;
  weir_disk_t *disk; /* not owned; outlives the files. Required */
  /* An open directory, for this log alone; the log's on success. */
  int directory;
  /* Bytes that may be kept, at least WEIR_LOG_FILES_MIN. Required. */
  uint64_t max;
  /*
   * What is kept is about to exceed max, once it ends at `head`: returns the
   * position to cut at, which is aligned down and clamped so that at most max
   * remains. Called on the loop, from within a call of the log, about four
   * times while max bytes are written; it must not change the log. NULL: keeps
   * the newest three quarters of max.
   */
  uint64_t (*on_full)(weir_log_t *log, uint64_t tail, uint64_t head,
                      uint64_t max);
  /* The tier restarted: `error` is 0 when the disk was too slow, negative when
   * it failed (UV_ENOSPC, UV_EIO, ...). `lost` bytes were kept until now. From
   * the loop and never from within a call of the log; one call covers what
   * happened in a turn, or while the disk hung. May be NULL. */
  void (*on_restart)(weir_log_t *log, int error, uint64_t lost);
  void *data;
} weir_log_files_options_t;

typedef struct weir_log_files_info {
  uint64_t tail; /* oldest position kept in files */
  uint64_t head; /* the position after the last byte that is written */
  uint64_t max;
  uint64_t bytes;    /* head - tail */
  uint64_t disk;     /* bytes that all its segments take, with those unlinked
                        that are still read */
  uint32_t segments; /* that exist: with a constant max at most 10 */
  uint64_t written;  /* bytes since the tier was opened */
  uint64_t rotations;
  uint64_t restarts; /* because of a slow or failing disk */
  int error;         /* of the last restart; 0: none, or too slow */
  int is_off;        /* after WEIR_LOG_FILES_RETRIES failures in a row */
} weir_log_files_info_t;

#define WEIR_LOG_FILES_RETRIES 3u /* failures in a row that turn it off */

/* Gives the log a file tier that begins at head. UV_ENOMEM, WEIR_EOPTION,
 * UV_EALREADY. */
WEIR_EXTERN WEIR_NODISCARD int weir_log_files_open(
    weir_log_t *log, const weir_log_files_options_t *options);

/* Takes it away: unlinks all segments, closes the directory, and calls `closed`
 * (may be NULL) from the loop when nothing is left; the directory itself is the
 * caller's to remove. Readers in it fall behind. The log may be destroyed at
 * once, which does this too. When there is none, `closed` is called at once. */
WEIR_EXTERN void weir_log_files_close(weir_log_t *log,
                                      void (*closed)(void *data), void *data);

WEIR_EXTERN int weir_log_has_files(const weir_log_t *log);

/* The options' data, for the callbacks; NULL when there is no tier. */
WEIR_EXTERN void *weir_log_files_data(const weir_log_t *log);

/* Changes how much is kept; less is cut off at once, by whole segments where
 * those are too large for what may be kept now. Segments begun from now on have
 * the new size. WEIR_EOPTION. */
WEIR_EXTERN int weir_log_files_set_max(weir_log_t *log, uint64_t max);

/* Cuts off what is older than `position` (aligned down; at most the files'
 * head). Readers below it fall behind. O(segments). */
WEIR_EXTERN void weir_log_files_cut(weir_log_t *log, uint64_t position);

/* Empties the tier; it begins again at head. */
WEIR_EXTERN void weir_log_files_clear(weir_log_t *log);

/* Turns it on again after failures; it begins at head. */
WEIR_EXTERN void weir_log_files_retry(weir_log_t *log);

WEIR_EXTERN void weir_log_files_info(const weir_log_t *log,
                                     weir_log_files_info_t *info);

/*
 * Copies the bytes [position, position + length) into `buffer`, from whichever
 * tiers hold them. `done` is called once, from the loop and never from within
 * the call, with the bytes copied (fewer at head), WEIR_EBEHIND, WEIR_EAHEAD,
 * or what the disk returned. Bytes that are cut off meanwhile are still read,
 * unless their space is needed before that is done: WEIR_EBEHIND.
 * UV_ENOMEM; WEIR_EOPTION without a file tier, whose disk knows the loop.
 * `buffer` must live until then, also when the files are closed.
 */
WEIR_EXTERN WEIR_NODISCARD int weir_log_read(
    weir_log_t *log, uint64_t position, void *buffer, size_t length,
    void (*done)(void *context, int64_t result), void *context);

WEIR_END_DECLS

#endif
