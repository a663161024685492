/*
 * disk.h - what the logs of one loop share to reach their files.
 *
 * File operations run on the loop's thread pool, in two lanes: one that
 * writes (and opens, closes, unlinks), one that reads. Whatever the number of
 * logs, at most two of the pool's threads are taken, and a disk that hangs
 * holds up those two and nobody else.
 *
 * Blocks that were read for one listener are kept for the others: a few of
 * WEIR_DISK_BLOCK bytes, so that a crowd that joins at the same place reads
 * once.
 */
#ifndef WEIR_DISK_H
#define WEIR_DISK_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "allocator.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_DISK_BLOCK  262144u /* bytes: 256 KiB; of a read, of staging */
#define WEIR_DISK_BLOCKS 8u      /* read blocks that are kept */

typedef struct weir_disk weir_disk_t;

/* It keeps the loop alive while operations are under way, and not otherwise.
 * Memory for blocks is taken when files are read first. UV_ENOMEM,
 * WEIR_EOPTION. */
WEIR_EXTERN WEIR_NODISCARD int weir_disk_create(
    uv_loop_t *loop, weir_disk_t **disk, const weir_allocator_t *allocator);

/*
 * Bytes that the files of all its logs may take together; UINT64_MAX, the
 * default: no matter. Nothing is written that would exceed it: it waits, and a
 * log whose ring cannot wait begins its files again. Less than there is already
 * takes nothing away: that is weir_log_files_set_max.
 */
WEIR_EXTERN void weir_disk_set_limit(weir_disk_t *disk, uint64_t bytes);

/* Frees it when the operations under way are over, then calls `closed` (may be
 * NULL) from the loop. The logs that use it have been told to close their files
 * before: they need not be done. NULL is a no-op. */
WEIR_EXTERN void weir_disk_close(weir_disk_t *disk, void (*closed)(void *data),
                                 void *data);

WEIR_END_DECLS

#endif
