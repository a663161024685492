/* allocator.h - where the core takes its memory from. */
#ifndef WEIR_ALLOCATOR_H
#define WEIR_ALLOCATOR_H

#include <stddef.h>

#include "visibility.h"

WEIR_BEGIN_DECLS

/*
 * An allocator hook, given with the options of a handle and copied from them.
 * A NULL pointer to one means malloc() and free().
 *
 * allocate  returns memory aligned for any type, or NULL when there is none.
 * release   takes back what allocate returned, with the same byte count;
 *           never called with NULL.
 *
 * Both are called on the loop's thread only. Nothing is allocated on the data
 * path: handles take memory when they are created and when a listener joins.
 */
typedef struct weir_allocator {
  void *(*allocate)(void *context, size_t bytes);
  void (*release)(void *context, void *pointer, size_t bytes);
  void *context;
} weir_allocator_t;

WEIR_END_DECLS

#endif
