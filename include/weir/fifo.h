/*
 * fifo.h - first in, first out.
 *
 * A ring of 64-bit values of a fixed capacity: ids, or pointers as uintptr_t.
 * Every call is O(1) and allocates nothing. Not synchronised: it belongs to
 * one thread, whichever that is. For many threads there is mailbox.h; for what
 * has priorities, or is found by its id, queue.h.
 */
#ifndef WEIR_FIFO_H
#define WEIR_FIFO_H

#include <stddef.h>
#include <stdint.h>

#include "allocator.h"
#include "visibility.h"

WEIR_BEGIN_DECLS

#define WEIR_FIFO_CAPACITY     1024u      /* values, by default */
#define WEIR_FIFO_MAX_CAPACITY 0x8000000u /* 134 217 728: 1 GiB */

typedef struct weir_fifo weir_fifo_t;

/* Makes one that holds `capacity` values at most, 0: WEIR_FIFO_CAPACITY. Its
 * memory, of eight bytes for each value up to the next power of two, is taken
 * here. WEIR_EOPTION above WEIR_FIFO_MAX_CAPACITY, UV_ENOMEM. */
WEIR_EXTERN WEIR_NODISCARD int weir_fifo_create(
    weir_fifo_t **fifo, uint32_t capacity, const weir_allocator_t *allocator);

/* Appends a value. WEIR_EFULL, and nothing has changed. */
WEIR_EXTERN WEIR_NODISCARD int weir_fifo_push(weir_fifo_t *fifo,
                                              uint64_t value);

/* Takes the oldest value off: 1. Empty: 0, and *value is as it was. */
WEIR_EXTERN WEIR_NODISCARD int weir_fifo_pop(weir_fifo_t *fifo,
                                             uint64_t *value);

/* The same, and leaves it there. */
WEIR_EXTERN WEIR_NODISCARD int weir_fifo_peek(const weir_fifo_t *fifo,
                                              uint64_t *value);

/* Values in it. */
WEIR_EXTERN uint32_t weir_fifo_length(const weir_fifo_t *fifo);

/* Frees it, with what is in it. NULL is a no-op. */
WEIR_EXTERN void weir_fifo_destroy(weir_fifo_t *fifo);

WEIR_END_DECLS

#endif
