/* allocation.h - the allocator hook, inside the core. */
#ifndef WEIR_ALLOCATION_H
#define WEIR_ALLOCATION_H

#include <stddef.h>

#include "weir/allocator.h"

#pragma GCC visibility push(hidden)

/* The hook that was given, or malloc and free. */
weir_allocator_t weir__allocator(const weir_allocator_t *given);

/* Zeroed memory, or NULL. */
void *weir__allocate(const weir_allocator_t *allocator, size_t bytes);

/* NULL is a no-op. The hook may lie in the memory that is given back. */
void weir__release(const weir_allocator_t *allocator, void *pointer,
                   size_t bytes);

#pragma GCC visibility pop

#endif
