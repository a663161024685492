/*
 * log.h - an append-only run of bytes with absolute 64-bit positions.
 *
 * One writer, many cursors. Bytes are appended at `head`; every reader is a
 * position. Positions start at 0, only grow and never restart, so a position
 * names the same byte for as long as the log lives.
 *
 * A log has up to two tiers that the same positions address:
 *
 *     file tier (reserved, see weir_log_tier)      ring (memory)
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
  WEIR_TIER_FILE,   /* in the file tier; no log has one yet */
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

/* The oldest position in memory; equals tail while there is no file tier. */
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

WEIR_END_DECLS

#endif
